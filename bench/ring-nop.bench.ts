import type { Benchmark, Row } from "./harness.ts";
import { compareRaw } from "./raw-program.ts";

const BATCHES = ["1", "8", "32", "128"] as const;

export default {
  name: "ring-nop",
  unit: "CPU ns/op",
  question: "what does the ring itself cost per operation, from TypeScript and from C?",
  where: "both",
  async run(context) {
    const program = await context.floor("ring_nop");
    const rows: Row[] = [];
    for (const batch of BATCHES) {
      const name = `batch ${batch}`;
      context.say(`ring-nop: ${name}`);
      const floorName = "C with liburing (bench/floor/ring_nop.c)";
      const floor = [program, "--batch", batch];
      rows.push(await compareRaw(context, { name, ours: ["nop", batch], floor, floorName }));
      // What of that is the language's share: nobody can use such a loop for anything.
      rows.push(await compareRaw(context, { name: `bare JavaScript, batch ${batch}`, ours: ["bareNop", batch], floor, floorName }));
    }
    return rows;
  },
} satisfies Benchmark;
