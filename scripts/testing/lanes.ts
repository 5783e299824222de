/** How many things run at the same time. */
import { availableParallelism, totalmem } from "node:os";

/** What one VM may take of the machine's memory, with what belongs to it outside. */
const VM_BYTES = 4 * 2 ** 30;

/** An emulated machine keeps about one processor busy; more than one a processor makes all of them slow enough to miss time limits. */
export function vmsAtOnce(cpus = availableParallelism(), memory = totalmem()): number {
  return Math.max(1, Math.min(cpus, Math.floor(memory / VM_BYTES), 4));
}

/** Runs tasks, `lanes` at a time, each as soon as there is room for it. Answers their results in the order of the tasks. */
export async function inLanes<T>(tasks: readonly (() => Promise<T>)[], lanes: number): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < tasks.length) {
      const index = next++;
      results[index] = await tasks[index]!();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}
