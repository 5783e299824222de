import { IORING_NOP_INJECT_RESULT, IORING_OP_NOP } from "../abi.ts";
import { count, declare, Operation } from "../operation.ts";

/** Options of {@link nop}. */
export interface NopOptions {
  /** The result to complete with (`IORING_NOP_INJECT_RESULT`, 6.10): a negative errno makes it fail. For tests. */
  result?: number;
}

export const NOP = declare({
  name: "nop",
  opcode: IORING_OP_NOP,
  syscall: "none",
  since: "5.1",
  completions: "one",
  options: ["result"],
  raw(slot: number, flags = 0, result = 0) {
    this.prep(IORING_OP_NOP, slot, -1, 0, 0, result, flags, 0, 0, 0);
  },
  lower: (o: NopOptions) => (o.result === undefined ? [0, 0] : [IORING_NOP_INJECT_RESULT, o.result]) as [number, number],
  result: count,
});

/**
 * Does nothing, and completes: `IORING_OP_NOP`, since 5.1. Resolves to 0.
 *
 * Errors: EINVAL for `result` before 6.10; whatever `result` injects. In a link it fails like any other when its result is
 * negative. No memory is used.
 *
 * @example
 * ```ts
 * import { nop, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * console.log(await ring.run(nop())); // 0
 * ```
 */
export const nop = (options: NopOptions = {}): Operation<number> => new Operation(NOP, options);
