import { defineTarget, type Size } from "../ublk/index.ts";
import { checkKnown } from "../uring/options.ts";

/** Options of the null disk. */
export interface NullOptions {
  /** Default 250 GiB. */
  size?: Size;
  /** Logical block; default 512. */
  blockSize?: Size;
}

/**
 * A disk without contents: every request succeeds at once and no data is touched. For measuring the path to it. What a READ returns is
 * undefined: in copy mode what the tag's buffer last held, with AUTO_BUF_REG whatever the client's pages held before.
 */
export default defineTarget({
  open: (options: NullOptions = {}) => {
    checkKnown("null", options, ["size", "blockSize"]);
    const { size = "250 GiB", blockSize = 512 } = options;
    return { size, blockSize, zeroCopy: true, synchronous: true, members: 0, resize: () => {} };
  },
  attach: () => ({
    ops: { flush: true, discard: true, writeZeroes: true },
    handle: (request) => request.complete(),
  }),
});
