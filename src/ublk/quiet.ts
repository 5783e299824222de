import { byTheLoop } from "./by-the-loop.ts";
import type { UblkQueue } from "./queue.ts";
import { DEAD, FETCHING, IN_KERNEL } from "./tag-states.ts";

const LOOK_MS = 5;
/** Looks in a row that find nothing: what the driver sent before it froze is seen by the first, what that led to is sent by the second. */
const LOOKS = 3;

const isQuiet = ({ raw, tags }: UblkQueue): boolean =>
  raw.queued === 0 && tags.states.every((state) => state === IN_KERNEL || state === DEAD || state === FETCHING);

/**
 * Resolves when a queue that gets no more requests has none in its hands, and every commit is with the kernel.
 *
 * Not every tag is given back by then: a commit that came after QUIESCE_DEV has left a fetch behind, which only the end of the ring ends.
 */
export async function whenQuiet(queue: UblkQueue): Promise<void> {
  await byTheLoop(queue, async () => {
    for (let looks = 0; looks < LOOKS && !queue.closed; looks = isQuiet(queue) ? looks + 1 : 0) {
      queue.driver.kick();
      await Bun.sleep(LOOK_MS);
    }
  });
}
