import type { UblkQueue } from "./queue.ts";
import type { UblkRequest } from "./request.ts";

const STEP_NS = 20_000_000;
const EIO = -5;
const REFUSES = { handle: (request: UblkRequest): void => request.fail(EIO) };

/**
 * Fails whatever is open and whatever arrives on queues of the calling thread until every tag is gone, synchronously: in a process that
 * is exiting no event loop runs any more. Somebody else must have sent STOP_DEV. Answers whether all are gone within the limit.
 */
export function drainNow(queues: readonly UblkQueue[], limitMs: number): boolean {
  for (const queue of queues) queue.target = REFUSES;
  const until = performance.now() + limitMs;
  while (queues.some(({ live }) => live > 0)) {
    if (performance.now() > until || !queues.every(turn)) return false;
  }
  return true;
}

// Answers whether it is worth while to go on: from inside a handler of the ring nothing can be reaped.
function turn(queue: UblkQueue): boolean {
  const { raw } = queue;
  if (queue.live === 0) return true;
  if (raw.failure !== undefined) return false;
  try {
    queue.refuse(0);
    raw.enter(1, STEP_NS);
    return raw.reap() > 0 || raw.ready === 0;
  } catch {
    return false; // the process is ending: the queue is closed as it is
  }
}
