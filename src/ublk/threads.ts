import { UBLK_F_PER_IO_DAEMON } from "./abi.ts";
import { checkFeature } from "./lacking.ts";
import type { QueueSpec } from "./queue-spec.ts";
import type { CheckedOptions } from "./serve-options.ts";

/**
 * The tags of a queue that a thread serves: every n-th. The kernel looks for a free tag beside the one that was taken last, so requests
 * that are in flight together have tags that lie side by side, and these are not to meet all in one thread.
 */
export function ownTags({ depth, threads, thread }: Pick<QueueSpec, "depth" | "threads" | "thread">): number[] {
  return Array.from({ length: Math.ceil((depth - thread) / threads) }, (_, i) => thread + i * threads);
}

/** How messages name who serves what. */
export function servedBy({ queue, threads, thread }: Pick<QueueSpec, "queue" | "threads" | "thread">): string {
  return threads === 1 ? `queue ${queue}` : `queue ${queue}, thread ${thread}`;
}

/** Refuses several threads per queue where there can be none, before anything is made. */
export function checkThreads({ threads }: CheckedOptions, module: string | undefined, features: number): void {
  if (threads === 1) return;
  if (module === undefined)
    throw new TypeError(
      `serve: threads is ${threads}, but a target that is given as an object is served on the calling thread; give the URL of its module, or leave threads out`,
    );
  const remedy = ": before, one thread has all tags of a queue. Leave threads out, and use more queues";
  checkFeature(`threads ${threads}`, UBLK_F_PER_IO_DAEMON, features, remedy);
}
