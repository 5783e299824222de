import type { UblkQueue } from "./queue.ts";
import type { RequestHandler } from "./queue-spec.ts";
import { HELD, IN_HANDLER, OPEN, WAITING } from "./tag-states.ts";

const LOOK_MS = 2;
const USES_HANDLER = new Set([IN_HANDLER, OPEN, HELD]);

/**
 * Gives a queue another handler, between two requests: those that arrive wait until what the old one has in its hands is done. Answers
 * whether that came about within the limit; if not, everything is as it was.
 */
export async function exchangeHandler(queue: UblkQueue, old: RequestHandler, next: RequestHandler, limitMs: number): Promise<boolean> {
  const { tags } = queue;
  const held: number[] = [];
  queue.target = {
    handle({ tag }) {
      tags.states[tag] = WAITING;
      tags.since[tag] = performance.now();
      held.push(tag);
    },
  };
  const busy = (): boolean => tags.states.some((state) => USES_HANDLER.has(state));
  for (const until = performance.now() + limitMs; busy() && !queue.closed && performance.now() < until; ) await Bun.sleep(LOOK_MS);
  const free = !busy();
  if (!queue.closed) queue.take(free ? next : old, held);
  return free;
}
