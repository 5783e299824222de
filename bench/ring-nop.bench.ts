import { type Benchmark, floorNumbers, interleave, type Row, row } from "./harness.ts";
import { settled, warmUp } from "./loop.ts";
import { rawNops } from "./raw-loops.ts";

const BATCHES = [1, 8, 32, 128] as const;

export default {
  name: "ring-nop",
  unit: "CPU ns/op",
  question: "what does the ring itself cost per operation, from TypeScript and from C?",
  where: "both",
  async run(context) {
    const program = await context.floor("ring_nop");
    const { milliseconds, environment } = context;
    const rows: Row[] = [];
    for (const batch of BATCHES) {
      const name = `batch ${batch}`;
      context.say(`ring-nop: ${name}`);
      warmUp(context, (ms) => rawNops(batch, ms));
      const command = [program, "--batch", String(batch), "--ms", String(milliseconds)];
      const runs = await interleave(context.runs, {
        ours: () => settled(context, name, rawNops(batch, milliseconds)),
        floor: async () => (await floorNumbers(command, "cpuNsPerOp")).cpuNsPerOp,
      });
      rows.push(row({ name, unit: "CPU ns/op", floorName: "C with liburing (bench/floor/ring_nop.c)", ...runs, environment }));
    }
    return rows;
  },
} satisfies Benchmark;
