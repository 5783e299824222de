import { MultishotOperation, modified, Operation } from "./operation.ts";
import { LINK_TIMEOUT } from "./ops/timeout.ts";
import { show } from "./options.ts";
import type { SingleOperation } from "./ring-options.ts";

/** An operation with a link timeout behind it. */
export interface Limited {
  /** Only for the types. */
  readonly limited: true;
}

/**
 * The same operation with a time limit in the kernel: `IORING_OP_LINK_TIMEOUT`, since 5.5, linked behind it (`IOSQE_IO_LINK`) in one
 * submit. It is an operation like any other, of the same result; when the time is over, the kernel cancels it and it rejects with a
 * {@link TimeLimitError} (`code` `"ETIME"`).
 *
 * `ms` are milliseconds of the monotonic clock, fractions allowed; 0 lets through only what completes at once. The time runs from when
 * the kernel starts the operation: waiting for room in the ring, or for others because of `drain()`, does not count. Within a limit
 * within a limit the smaller one holds.
 *
 * What has completed has completed: a result that crossed with the limit is kept, and so is the part that a transfer got done. What
 * cannot be cancelled any more (a worker thread of the kernel is at it: fsync, a write to a disk) is waited for, and its own result
 * counts. A zero-copy send's limit ends at its result; the notification takes its time. A `signal` cancels as ever, and rejects with
 * its own reason. Memory lives as long as the operation's own; the limit has none of the caller's.
 *
 * On a ring too small for a link (`entries: 1`) the limit is a timer beside the operation. Errors: TypeError for a multishot operation,
 * and on a ring with `iopoll`, where there are no timers; RangeError for odd milliseconds, and on a ring whose CQ has one entry.
 *
 * @example
 * ```ts
 * import { poll, POLLIN, Ring, TimeLimitError, within } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [reader, writer] = sys.pipe();
 * const readable = within(poll({ fd: reader, events: POLLIN }), 5);
 * const late = await ring.settle(readable);
 * if (late.status === "failed" && late.reason instanceof TimeLimitError) console.log(late.reason.code, late.reason.ms); // ETIME 5
 * sys.write(writer, new Uint8Array(1));
 * console.log((await ring.run(readable)) === POLLIN); // true
 * for (const fd of [reader, writer]) sys.close(fd);
 * ```
 */
export function within<Op extends SingleOperation<unknown>>(operation: Op, ms: number): Op & Limited {
  if (!(operation instanceof Operation)) throw new TypeError("within: give it an operation, such as read({ ... }), and milliseconds");
  const wide: Operation<unknown> = operation;
  if (wide instanceof MultishotOperation)
    throw new TypeError(`within: '${wide.name}' completes many times; give ring.run of it an AbortSignal.timeout(...)`);
  if (typeof ms !== "number" || !(ms >= 0) || ms > Number.MAX_SAFE_INTEGER)
    throw new RangeError(`within: ms is ${show(ms)}; it must be a number of milliseconds of at least 0`);
  const outer = operation.timeLimit;
  const limited = outer !== undefined && outer <= ms ? operation : modified(operation, { limit: new Operation(LINK_TIMEOUT, { ms }) });
  return limited as Op & Limited;
}
