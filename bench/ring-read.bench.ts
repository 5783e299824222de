import { withCachedFile } from "./cached-file.ts";
import type { Benchmark, Row } from "./harness.ts";
import { compareRaw } from "./raw-program.ts";

const SHAPES = [
  { kind: "read", depth: "1" },
  { kind: "read", depth: "32" },
  { kind: "read", depth: "128" },
  { kind: "readFixed", depth: "32" },
  { kind: "readFixed", depth: "128" },
] as const;

export default {
  name: "ring-read",
  unit: "CPU ns/op",
  question: "what does a 4 KiB read of a cached file cost through the ring, from TypeScript and from C?",
  where: "both",
  async run(context) {
    const program = await context.floor("ring_read");
    return withCachedFile(async (path) => {
      const rows: Row[] = [];
      for (const { kind, depth } of SHAPES) {
        const name = `${kind}, depth ${depth}`;
        context.say(`ring-read: ${name}`);
        const floor = [program, "--file", path, "--depth", depth, "--fixed", kind === "readFixed" ? "1" : "0"];
        const floorName = "C with liburing (bench/floor/ring_read.c)";
        rows.push(await compareRaw(context, { name, ours: [kind, path, depth], floor, floorName }));
      }
      return rows;
    });
  },
} satisfies Benchmark;
