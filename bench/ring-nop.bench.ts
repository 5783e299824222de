import { RawRing } from "uring-ublk/uring";
import { type Benchmark, floorNumbers, interleave, type Row, row } from "./harness.ts";
import { type LoopCost, measureLoop, settled } from "./loop.ts";

const BATCHES = [1, 8, 32, 128] as const;

/** The same loop as bench/floor/ring_nop.c: queue a batch, one enter, reap. */
function measure(batch: number, milliseconds: number): LoopCost {
  using ring = new RawRing({ entries: batch, taskrun: "defer" });
  let failed = 0;
  const done = (result: number): void => {
    if (result !== 0) failed = result;
  };
  const slots = Array.from({ length: batch }, () => ring.allocate(done));
  const rounds = Math.floor(1000 / batch) + 1;
  const cost = measureLoop(milliseconds, () => {
    let ops = 0;
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < batch; i++) ring.nop(slots[i]!, 0, 0);
      ring.enter(batch);
      ops += ring.reap();
    }
    return ops;
  });
  if (failed !== 0) throw new Error(`a NOP failed with ${failed}`);
  return cost;
}

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
      measure(batch, context.warmUpMilliseconds);
      const command = [program, "--batch", String(batch), "--ms", String(milliseconds)];
      const runs = await interleave(context.runs, {
        ours: () => settled(context, name, measure(batch, milliseconds)),
        floor: async () => (await floorNumbers(command, "cpuNsPerOp")).cpuNsPerOp,
      });
      rows.push(row({ name, unit: "CPU ns/op", floorName: "C with liburing (bench/floor/ring_nop.c)", ...runs, environment }));
    }
    return rows;
  },
} satisfies Benchmark;
