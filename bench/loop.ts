import { sys } from "uring-ublk/ffi";
import type { BenchContext } from "./harness.ts";

const CLOCK_PROCESS_CPUTIME_ID = 2;
const CLOCK_THREAD_CPUTIME_ID = 3;

/** What a loop costs per operation, in nanoseconds. */
export interface LoopCost {
  /** Of the looping thread, in the kernel too. Neither other programs nor the JIT's threads are in it. */
  readonly threadCpu: number;
  /** Of all threads of the process: the JIT's and the collector's are in it. */
  readonly processCpu: number;
  readonly wall: number;
}

interface Clocks {
  readonly thread: number;
  readonly process: number;
  readonly wall: number;
}

function clocks(): Clocks {
  const process = sys.clockGettime(CLOCK_PROCESS_CPUTIME_ID);
  return { process, thread: sys.clockGettime(CLOCK_THREAD_CPUTIME_ID), wall: performance.now() * 1e6 };
}

function perOperation(from: Clocks, to: Clocks, operations: number): LoopCost {
  return {
    threadCpu: (to.thread - from.thread) / operations,
    processCpu: (to.process - from.process) / operations,
    wall: (to.wall - from.wall) / operations,
  };
}

/** Runs `work`, which answers how many operations it did, until the time is up. */
export function measureLoop(milliseconds: number, work: () => number): LoopCost {
  let operations = 0;
  const from = clocks();
  do operations += work();
  while (performance.now() * 1e6 - from.wall < milliseconds * 1e6);
  return perOperation(from, clocks(), operations);
}

/** The same for work that awaits. */
export async function measureAsyncLoop(milliseconds: number, work: () => Promise<number>): Promise<LoopCost> {
  let operations = 0;
  const from = clocks();
  do operations += await work();
  while (performance.now() * 1e6 - from.wall < milliseconds * 1e6);
  return perOperation(from, clocks(), operations);
}

/** What other threads of the process worked meanwhile, as a share of the loop's own: the JIT, while it is not done. */
const othersShare = ({ processCpu, threadCpu }: LoopCost): number => processCpu / threadCpu - 1;

/** So much of other threads' work does not matter. */
const QUIET = 0.02;
/** The warm-up goes on until this many runs in a row were quiet, and for so many in all. */
const QUIET_RUNS = 3;
const MOST_RUNS = 40;

/** Runs a loop until all tiers of the JIT are done with it. */
export function warmUp(warmUpMilliseconds: number, loop: (milliseconds: number) => LoopCost): void {
  const until = performance.now() + warmUpMilliseconds;
  let quiet = 0;
  for (let run = 0; run < MOST_RUNS && (quiet < QUIET_RUNS || performance.now() < until); run++) {
    quiet = othersShare(loop(warmUpMilliseconds / 8)) < QUIET ? quiet + 1 : 0;
  }
}

/** How much the cost of three runs in a row may differ when nothing warms up any more. */
const STEADY = 0.05;

/** The same where the JIT's work cannot be told from the rest: until the cost that a run answers stays the same. */
export async function warmUpAsync(
  context: Pick<BenchContext, "warmUpMilliseconds">,
  run: (milliseconds: number) => number | Promise<number>,
): Promise<void> {
  const until = performance.now() + context.warmUpMilliseconds;
  const costs: number[] = [];
  for (let count = 0; count < MOST_RUNS; count++) {
    costs.push(await run(context.warmUpMilliseconds / 8));
    const last = costs.slice(-QUIET_RUNS);
    if (performance.now() >= until && Math.max(...last) < Math.min(...last) * (1 + STEADY)) return;
  }
}

/**
 * What counts of a loop that allocates nothing and never waits: the CPU time of its thread. Says so when other threads of the process
 * worked as well: the JIT had not settled.
 */
export function settled(context: BenchContext, what: string, cost: LoopCost): number {
  const others = othersShare(cost);
  if (others > QUIET) context.say(`${what}: other threads of this process took ${(others * 100).toFixed(0)} % on top`);
  return cost.threadCpu;
}
