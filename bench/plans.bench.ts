import { type BenchContext, type Benchmark, interleave, type Row, row } from "./harness.ts";
import type { LoopCost } from "./loop.ts";
import { LoopProgram } from "./loop-program.ts";

const SIZES = [4, 64, 1024] as const; // KiB

type Sides<Side extends string> = { readonly [Name in Side]: readonly string[] };

/** Measures programs of bench/plan-loop.ts in turn. */
async function measured<Side extends string>(context: BenchContext, sides: Sides<Side>): Promise<Record<Side, LoopCost[]>> {
  await using stack = new AsyncDisposableStack();
  const programs: [string, () => Promise<LoopCost>][] = [];
  for (const [name, args] of Object.entries<readonly string[]>(sides)) {
    const program = stack.use(await LoopProgram.start(context, "bench/plan-loop.ts", args));
    programs.push([name, () => program.run(context.milliseconds)]);
  }
  return await interleave(context.runs, Object.fromEntries(programs) as { [Name in Side]: () => Promise<LoopCost> });
}

async function against(context: BenchContext, name: string, kind: string): Promise<Row> {
  context.say(`plans: ${name}`);
  const { plan, hand } = await measured(context, { plan: [kind, "plan"], hand: [kind, "hand"] });
  const cost = (runs: readonly LoopCost[]) => runs.map(({ threadCpu }) => threadCpu);
  const { environment } = context;
  return row({ name, unit: "CPU ns/run", floorName: "the raw layer, by hand", ours: cost(plan), floor: cost(hand), environment });
}

/** Written data goes through threads of the kernel: what counts is the time it takes, not the CPU time of one thread. */
async function copyRows(context: BenchContext, kib: number): Promise<Row[]> {
  const name = `read once, write 4, ${kib} KiB`;
  context.say(`plans: ${name}`);
  const bytes = String(kib * 1024);
  const { group, submits, links } = await measured(context, {
    group: ["copies", "group", bytes],
    submits: ["copies", "submits", bytes],
    links: ["copies", "links", bytes],
  });
  const time = (runs: readonly LoopCost[]) => runs.map(({ wall }) => wall);
  const against = (floorName: string, floor: readonly LoopCost[]): Row =>
    row({ name, unit: "wall ns/run", floorName, ours: time(group), floor: time(floor), environment: context.environment });
  return [against("two submits by hand", submits), against("a linked chain by hand", links)];
}

export default {
  name: "plans",
  unit: "ns/run",
  question: "what does a prepared plan cost, and what the same written by hand on the raw layer?",
  where: "both",
  async run(context) {
    const rows = [
      await against(context, "chain of 4 linked reads, 4 KiB", "chain"),
      await against(context, "group of 1 + 8 reads, 4 KiB", "reads"),
      await against(context, "group of 1 + 8 NOPs", "nops"),
    ];
    for (const kib of SIZES) rows.push(...(await copyRows(context, kib)));
    return rows;
  },
} satisfies Benchmark;
