import { RawRing } from "uring-ublk/uring";
import { type Benchmark, floorNumber, interleave, type Row, row } from "./harness.ts";

const BATCHES = [1, 8, 32, 128] as const;

/** The same loop as bench/floor/ring_nop.c: queue a batch, one enter, reap. Nanoseconds per NOP. */
function measure(batch: number, milliseconds: number): number {
  using ring = new RawRing({ entries: 2 * batch, taskrun: "defer" });
  let failed = 0;
  const done = (result: number): void => {
    if (result !== 0) failed = result;
  };
  const slots = Array.from({ length: batch }, () => ring.allocate(done));
  const rounds = Math.floor(1000 / batch) + 1;
  let ops = 0;
  const start = performance.now();
  let elapsed = 0;
  do {
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < batch; i++) ring.nop(slots[i]!, 0, 0);
      ring.enter(batch);
      ops += ring.reap();
    }
    elapsed = performance.now() - start;
  } while (elapsed < milliseconds);
  if (failed !== 0) throw new Error(`a NOP failed with ${failed}`);
  return (elapsed * 1e6) / ops;
}

export default {
  name: "ring-nop",
  unit: "ns/op",
  question: "what does the ring itself cost per operation, from TypeScript and from C?",
  where: "host",
  async run(context) {
    const program = await context.floor("ring_nop");
    const rows: Row[] = [];
    for (const batch of BATCHES) {
      context.say(`ring-nop: batch ${batch}`);
      const runs = await interleave(context.runs, {
        ours: () => measure(batch, context.milliseconds),
        floor: () => floorNumber([program, "--batch", String(batch), "--ms", String(context.milliseconds)], "nsPerOp"),
      });
      const { environment } = context;
      rows.push(
        row({
          name: `batch ${batch}`,
          unit: "ns/op",
          floorName: "C loop (bench/floor/ring_nop.c)",
          ...runs,
          environment,
        }),
      );
    }
    return rows;
  },
} satisfies Benchmark;
