import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Arena } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";
import { type Benchmark, floorNumber, interleave, type Row, row } from "./harness.ts";

const DEPTHS = [1, 32, 128] as const;
const BLOCK = 4096;
const BLOCKS = 16384;

/** The same loop as bench/floor/ring_read.c: `depth` random reads in flight, one enter per batch. Nanoseconds per read. */
function measure(fd: number, depth: number, milliseconds: number): number {
  using memory = Arena.allocate(depth * BLOCK, { populate: true });
  using ring = new RawRing({ entries: 2 * depth, taskrun: "defer" });
  const address = memory.address;
  let seed = 0x2545f491;
  let failed = 0;
  const indexes: number[] = [];
  const queue = (slot: number): void => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    ring.read(slot, fd, address + indexes[slot]! * BLOCK, BLOCK, ((seed >>> 0) % BLOCKS) * BLOCK, 0);
  };
  const again = (result: number, _flags: number, slot: number): void => {
    if (result !== BLOCK) failed = result;
    queue(slot);
  };
  for (let i = 0; i < depth; i++) {
    const slot = ring.allocate(again);
    indexes[slot] = i;
    queue(slot);
  }
  const rounds = Math.floor(1000 / depth) + 1;
  let ops = 0;
  const start = performance.now();
  let elapsed = 0;
  do {
    for (let round = 0; round < rounds; round++) {
      ring.enter(1);
      ops += ring.reap();
    }
    elapsed = performance.now() - start;
  } while (elapsed < milliseconds);
  if (failed !== 0) throw new Error(`a read returned ${failed}`);
  return (elapsed * 1e6) / ops;
}

export default {
  name: "ring-read",
  unit: "ns/op",
  question: "what does a 4 KiB read of a cached file cost through the ring, from TypeScript and from C?",
  where: "host",
  async run(context) {
    const program = await context.floor("ring_read");
    const folder = mkdtempSync(join(tmpdir(), "uring-ublk-bench-"));
    const path = join(folder, "data");
    writeFileSync(path, new Uint8Array(BLOCKS * BLOCK).fill(1));
    const fd = openSync(path, "r");
    const rows: Row[] = [];
    try {
      for (const depth of DEPTHS) {
        context.say(`ring-read: depth ${depth}`);
        const options = ["--file", path, "--depth", String(depth), "--ms", String(context.milliseconds)];
        const runs = await interleave(context.runs, {
          ours: () => measure(fd, depth, context.milliseconds),
          floor: () => floorNumber([program, ...options], "nsPerOp"),
        });
        const { environment } = context;
        rows.push(
          row({
            name: `depth ${depth}`,
            unit: "ns/op",
            floorName: "C loop (bench/floor/ring_read.c)",
            ...runs,
            environment,
          }),
        );
      }
    } finally {
      closeSync(fd);
      rmSync(folder, { recursive: true });
    }
    return rows;
  },
} satisfies Benchmark;
