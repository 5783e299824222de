import { Arena } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";
import { BLOCK, BLOCKS, nextRandom, withCachedFile } from "./cached-file.ts";
import { type BenchContext, type Benchmark, floorNumbers, interleave, type Row, row } from "./harness.ts";
import { type LoopCost, measureLoop, settled } from "./loop.ts";

const SHAPES = [
  { fixed: false, depth: 1 },
  { fixed: false, depth: 32 },
  { fixed: false, depth: 128 },
  { fixed: true, depth: 32 },
  { fixed: true, depth: 128 },
] as const;

type Shape = (typeof SHAPES)[number];

/** The same loop as bench/floor/ring_read.c: `depth` random reads in flight, one enter per batch. */
function measure(fd: number, { fixed, depth }: Shape, milliseconds: number): LoopCost {
  using memory = Arena.allocate(depth * BLOCK, { populate: true });
  using ring = new RawRing({ entries: depth, taskrun: "defer" });
  if (fixed) {
    ring.register.sparseBuffers(1);
    ring.register.updateBuffers(0, [{ address: memory.address, length: memory.length }]);
  }
  const start = startReads(ring, fd, memory.address, fixed);
  const failure = start(depth);
  const rounds = Math.floor(1000 / depth) + 1;
  const cost = measureLoop(milliseconds, () => {
    let ops = 0;
    for (let round = 0; round < rounds; round++) {
      ring.enter(1);
      ops += ring.reap();
    }
    return ops;
  });
  if (failure() !== 0) throw new Error(`a read returned ${failure()}`);
  return cost;
}

/** Every read that completes starts the next one, with the same slot and the same part of the memory. */
function startReads(ring: RawRing, fd: number, address: number, fixed: boolean) {
  let seed = 0x2545f491;
  let failed = 0;
  const addresses: number[] = [];
  const next = (): number => {
    seed = nextRandom(seed);
    return ((seed >>> 0) % BLOCKS) * BLOCK;
  };
  const plain = (result: number, _flags: number, slot: number): void => {
    if (result !== BLOCK) failed = result;
    ring.read(slot, fd, addresses[slot]!, BLOCK, next(), 0);
  };
  const registered = (result: number, _flags: number, slot: number): void => {
    if (result !== BLOCK) failed = result;
    ring.readFixed(slot, fd, addresses[slot]!, BLOCK, next(), 0, 0);
  };
  const handler = fixed ? registered : plain;
  return (depth: number): (() => number) => {
    for (let i = 0; i < depth; i++) {
      const slot = ring.allocate(handler);
      addresses[slot] = address + i * BLOCK;
      handler(BLOCK, 0, slot);
    }
    return () => failed;
  };
}

async function measureShape(context: BenchContext, shape: Shape, path: string, fd: number): Promise<Row> {
  const { milliseconds, environment } = context;
  const { fixed, depth } = shape;
  const name = `${fixed ? "fixed" : "plain"}, depth ${depth}`;
  context.say(`ring-read: ${name}`);
  const program = await context.floor("ring_read");
  const command = [program, "--file", path, "--depth", String(depth), "--fixed", fixed ? "1" : "0", "--ms", String(milliseconds)];
  measure(fd, shape, context.warmUpMilliseconds);
  const runs = await interleave(context.runs, {
    ours: () => settled(context, name, measure(fd, shape, milliseconds)),
    floor: async () => (await floorNumbers(command, "cpuNsPerOp")).cpuNsPerOp,
  });
  return row({ name, unit: "CPU ns/op", floorName: "C with liburing (bench/floor/ring_read.c)", ...runs, environment });
}

export default {
  name: "ring-read",
  unit: "CPU ns/op",
  question: "what does a 4 KiB read of a cached file cost through the ring, from TypeScript and from C?",
  where: "both",
  run: (context) =>
    withCachedFile(async (path, fd) => {
      const rows: Row[] = [];
      for (const shape of SHAPES) rows.push(await measureShape(context, shape, path, fd));
      return rows;
    }),
} satisfies Benchmark;
