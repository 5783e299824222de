import type { BenchContext, Benchmark, Row } from "./harness.ts";
import { compareRaw } from "./raw-program.ts";

const BATCHES = ["1", "8", "32", "128"] as const;

/** Loops of raw-loop.ts, and what their rows begin with. */
const KINDS = [
  ["nop", ""],
  ["permanentNop", "permanent SQEs, "],
  ["bareNop", "bare JavaScript, "], // the language's share of it: nobody can use such a loop for anything
] as const;

function compare(context: BenchContext, program: string, kind: string, batch: string, prefix: string): Promise<Row> {
  return compareRaw(context, {
    name: `${prefix}batch ${batch}`,
    ours: [kind, batch],
    floor: [program, "--batch", batch],
    floorName: "C with liburing (bench/floor/ring_nop.c)",
  });
}

export default {
  name: "ring-nop",
  unit: "CPU ns/op",
  question: "what does the ring itself cost per operation, from TypeScript and from C?",
  where: "both",
  async run(context) {
    const program = await context.floor("ring_nop");
    const rows: Row[] = [];
    for (const batch of BATCHES) {
      context.say(`ring-nop: batch ${batch}`);
      for (const [kind, prefix] of KINDS) rows.push(await compare(context, program, kind, batch, prefix));
    }
    return rows;
  },
} satisfies Benchmark;
