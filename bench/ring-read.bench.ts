import { withCachedFile } from "./cached-file.ts";
import { type BenchContext, type Benchmark, floorNumbers, interleave, type Row, row } from "./harness.ts";
import { settled, warmUp } from "./loop.ts";
import { type ReadShape, rawReads } from "./raw-loops.ts";

const SHAPES: readonly ReadShape[] = [
  { fixed: false, depth: 1 },
  { fixed: false, depth: 32 },
  { fixed: false, depth: 128 },
  { fixed: true, depth: 32 },
  { fixed: true, depth: 128 },
];

async function measureShape(context: BenchContext, shape: ReadShape, path: string, fd: number): Promise<Row> {
  const { milliseconds, environment } = context;
  const { fixed, depth } = shape;
  const name = `${fixed ? "fixed" : "plain"}, depth ${depth}`;
  context.say(`ring-read: ${name}`);
  const program = await context.floor("ring_read");
  const command = [program, "--file", path, "--depth", String(depth), "--fixed", fixed ? "1" : "0", "--ms", String(milliseconds)];
  warmUp(context, (ms) => rawReads(fd, shape, ms));
  const runs = await interleave(context.runs, {
    ours: () => settled(context, name, rawReads(fd, shape, milliseconds)),
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
