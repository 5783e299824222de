/** A disk full of fives with one place that never answers. */
import { defineTarget } from "uring-ublk";

export default defineTarget({
  open: (options: { never: number }) => ({ size: 4 * 2 ** 20, shared: options }),
  attach: (_queue, { never }) => ({
    read: (buffer, offset) => (offset === never ? new Promise<void>(() => {}) : void buffer.fill(5)),
    write: () => {},
  }),
});
