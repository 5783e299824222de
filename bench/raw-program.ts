import { type BenchContext, floorNumbers, interleave, type Row, row } from "./harness.ts";
import { settled } from "./loop.ts";
import { LoopProgram } from "./loop-program.ts";

interface Comparison {
  readonly name: string;
  /** Arguments of bench/raw-loop.ts. */
  readonly ours: readonly string[];
  /** The C program and its arguments. */
  readonly floor: readonly string[];
  readonly floorName: string;
}

/** Measures a raw loop against a C program, in turn. */
export async function compareRaw(context: BenchContext, { name, ours, floor, floorName }: Comparison): Promise<Row> {
  const { milliseconds, environment } = context;
  await using program = await LoopProgram.start(context, "bench/raw-loop.ts", ours);
  const runs = await interleave(context.runs, {
    ours: async () => settled(context, name, await program.run(milliseconds)),
    floor: async () => (await floorNumbers([...floor, "--ms", String(milliseconds)], "cpuNsPerOp")).cpuNsPerOp,
  });
  return row({ name, unit: "CPU ns/op", floorName, ...runs, environment });
}
