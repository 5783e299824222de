/** A disk full of fives with one place that never answers. */
import { writeSync } from "node:fs";
import { defineTarget } from "uring-ublk";

/** Never answers, and says so. */
export function held(): Promise<void> {
  writeSync(1, "held\n");
  return new Promise(() => {});
}

export default defineTarget({
  open: (options: { never: number }) => ({ size: 4 * 2 ** 20, shared: options }),
  attach: (_queue, { never }) => ({
    read: (buffer, offset) => (offset === never ? held() : void buffer.fill(5)),
    write: () => {},
  }),
});
