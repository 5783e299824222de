import {
  IORING_LINK_TIMEOUT_UPDATE,
  IORING_OP_LINK_TIMEOUT,
  IORING_OP_TIMEOUT,
  IORING_OP_TIMEOUT_REMOVE,
  IORING_TIMEOUT_ETIME_SUCCESS,
  IORING_TIMEOUT_MULTISHOT,
  IORING_TIMEOUT_UPDATE,
} from "../abi.ts";
import { resolveTarget, type Target } from "../handle.ts";
import { count, declare, MultishotOperation, Operation } from "../operation.ts";
import { checkBoolean, checkInteger } from "../options.ts";
import { type TimeoutClock, timeOf } from "./time.ts";

const ETIME = -62;

/** Options of {@link timeout}. */
export interface TimeoutOptions {
  /** Milliseconds, fractions allowed: from now, or a point in time of the clock with `absolute`. */
  ms: number;
  /** Also completes after this many other completions. */
  completions?: number;
  /** `ms` is a point in time of the clock, not a duration. */
  absolute?: boolean;
  /** The clock (5.15). Default `"monotonic"`. */
  clock?: TimeoutClock;
  /** In a kernel link, elapsing is no failure: what follows runs (`IORING_TIMEOUT_ETIME_SUCCESS`, 5.16). */
  etimeSuccess?: boolean;
}

export const TIMEOUT = declare({
  name: "timeout",
  opcode: IORING_OP_TIMEOUT,
  syscall: "timerfd",
  since: "5.4",
  completions: "one",
  options: ["ms", "completions", "absolute", "clock", "etimeSuccess"],
  accepts: [ETIME],
  raw(slot: number, time: number, completions: number, flags: number) {
    this.prep(IORING_OP_TIMEOUT, slot, -1, completions, time, 1, flags, 0, 0, 0);
  },
  lower(o: TimeoutOptions, l) {
    const { completions = 0, etimeSuccess = false } = o;
    checkInteger("timeout", "completions", completions, 0, 0xffff_ffff);
    checkBoolean("timeout", "etimeSuccess", etimeSuccess);
    if (etimeSuccess) l.needs("IORING_TIMEOUT_ETIME_SUCCESS");
    const [time, flags] = timeOf("timeout", o, l);
    return [time, completions, flags | (etimeSuccess ? IORING_TIMEOUT_ETIME_SUCCESS : 0)];
  },
  result: (result: number): "elapsed" | "completions" => (result === ETIME ? "elapsed" : "completions"),
});

/** Options of {@link timeoutMultishot}. */
export interface TimeoutMultishotOptions {
  /** Milliseconds between two ticks, fractions allowed; more than 0. */
  ms: number;
  /** How many ticks; default without end. */
  count?: number;
  /** The clock. Default `"monotonic"`. */
  clock?: TimeoutClock;
}

export const TIMEOUT_MULTISHOT = declare({
  name: "timeoutMultishot",
  opcode: IORING_OP_TIMEOUT,
  syscall: "timerfd",
  since: "6.4",
  needs: "IORING_TIMEOUT_MULTISHOT",
  completions: "many",
  options: ["ms", "count", "clock"],
  accepts: [ETIME],
  raw(slot: number, time: number, repeats: number, flags: number) {
    this.prep(IORING_OP_TIMEOUT, slot, -1, repeats, time, 1, flags | IORING_TIMEOUT_MULTISHOT, 0, 0, 0);
  },
  lower(o: TimeoutMultishotOptions, l) {
    if (o.count !== undefined) checkInteger("timeoutMultishot", "count", o.count, 1, 0xffff_ffff);
    if (o.ms === 0) throw new RangeError("timeoutMultishot: ms is 0; it must be more");
    const [time, flags] = timeOf("timeoutMultishot", o, l);
    return [time, o.count ?? 0, flags];
  },
  result: (): "elapsed" => "elapsed",
  // The kernel ends it when the CQ is full.
  shots: {
    again: (result, _flags, o) => (result === ETIME ? o : undefined),
    limit: (o) => o.count,
  },
});

/** Options of {@link timeoutRemove}. */
export interface TimeoutRemoveOptions {
  /** The timer. */
  target: Target;
}

const GONE = { ENOENT: "the timer has elapsed, or was never queued on this ring", EALREADY: "the timer is elapsing at this moment" };

export const TIMEOUT_REMOVE = declare({
  name: "timeoutRemove",
  opcode: IORING_OP_TIMEOUT_REMOVE,
  syscall: "none",
  since: "5.5",
  completions: "one",
  severs: true,
  options: ["target"],
  hints: GONE,
  raw(slot: number, userDataLow: number, userDataHigh: number) {
    this.prep(IORING_OP_TIMEOUT_REMOVE, slot, -1, 0, 0, 0, 0, 0, 0, 0);
    this.setWord(4, userDataLow);
    this.setWord(5, userDataHigh);
  },
  lower(o: TimeoutRemoveOptions, l) {
    const { slot, generation } = resolveTarget(o.target, l.ring, "timeoutRemove");
    return [slot, generation];
  },
  result: count,
});

/** Options of {@link timeoutUpdate}. */
export interface TimeoutUpdateOptions {
  /** The timer. */
  target: Target;
  /** The new time: milliseconds from now, or a point in time of the timer's clock with `absolute`. */
  ms: number;
  /** `ms` is a point in time. */
  absolute?: boolean;
  /** What the target names is a link timeout (`IORING_LINK_TIMEOUT_UPDATE`, 5.15), which only the raw layer can name. */
  link?: boolean;
}

export const TIMEOUT_UPDATE = declare({
  name: "timeoutUpdate",
  opcode: IORING_OP_TIMEOUT_REMOVE,
  syscall: "none",
  since: "5.11",
  completions: "one",
  severs: true,
  options: ["target", "ms", "absolute", "link"],
  hints: GONE,
  raw(slot: number, userDataLow: number, userDataHigh: number, time: number, flags: number) {
    this.prep(IORING_OP_TIMEOUT_REMOVE, slot, -1, time, 0, 0, flags | IORING_TIMEOUT_UPDATE, 0, 0, 0);
    this.setWord(4, userDataLow);
    this.setWord(5, userDataHigh);
  },
  lower(o: TimeoutUpdateOptions, l) {
    if (o.link !== undefined) checkBoolean("timeoutUpdate", "link", o.link);
    l.needs(o.link ? "IORING_LINK_TIMEOUT_UPDATE" : "IORING_TIMEOUT_UPDATE");
    const { slot, generation } = resolveTarget(o.target, l.ring, "timeoutUpdate");
    const [time, flags] = timeOf("timeoutUpdate", { ms: o.ms, ...(o.absolute === undefined ? {} : { absolute: o.absolute }) }, l);
    return [slot, generation, time, flags | (o.link ? IORING_LINK_TIMEOUT_UPDATE : 0)];
  },
  result: count,
});

/** Options of the time limit that a link puts behind an operation. */
export interface LinkTimeoutOptions {
  ms: number;
  absolute?: boolean;
  clock?: TimeoutClock;
}

/** No operation of its own: it bounds the one that is linked to it. The described layer makes it from `within`. */
export const LINK_TIMEOUT = declare({
  name: "linkTimeout",
  opcode: IORING_OP_LINK_TIMEOUT,
  syscall: "none",
  since: "5.5",
  completions: "one",
  options: ["ms", "absolute", "clock"],
  accepts: [ETIME],
  raw(slot: number, time: number, flags: number) {
    this.prep(IORING_OP_LINK_TIMEOUT, slot, -1, 0, time, 1, flags, 0, 0, 0);
  },
  lower: (o: LinkTimeoutOptions, l) => timeOf("within", o, l),
  result: count,
});

/**
 * A timer: `IORING_OP_TIMEOUT`, since 5.4; as a timerfd. Resolves to `"elapsed"`, or to `"completions"` when the count came first.
 *
 * Errors: ECANCELED (aborted, {@link cancel}, {@link timeoutRemove}); EINVAL (a clock or flag that the kernel does not have). In a
 * kernel link its -ETIME counts as a failure and severs, unless `etimeSuccess`. It holds no memory of the caller. Precision is the
 * kernel's high-resolution timer.
 *
 * @example
 * ```ts
 * import { Ring, timeout } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * console.log(await ring.run(timeout({ ms: 1.5 }))); // elapsed
 * console.log(await ring.run(timeout({ ms: Date.now() + 5, absolute: true, clock: "realtime" }))); // elapsed
 * ```
 */
export const timeout = (options: TimeoutOptions): Operation<"elapsed" | "completions"> => new Operation(TIMEOUT, options);

/**
 * A timer that ticks, as a timerfd: `IORING_OP_TIMEOUT` with TIMEOUT_MULTISHOT, since 6.4. `ring.run` of it is an async iterable, yielding
 * `"elapsed"` at each tick, `count` times or until the loop is left. Ticks that nobody has waited for are given out one after the other.
 *
 * Errors: as {@link timeout}. No memory of the caller is held. It may not stand in a link.
 *
 * @example
 * ```ts
 * import { Ring, timeoutMultishot } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * let ticks = 0;
 * for await (const _ of ring.run(timeoutMultishot({ ms: 1, count: 3 }))) ticks++;
 * console.log(ticks); // 3
 * ```
 */
export const timeoutMultishot = (options: TimeoutMultishotOptions): MultishotOperation<"elapsed"> =>
  new MultishotOperation(TIMEOUT_MULTISHOT, options);

/**
 * Ends a timer: `IORING_OP_TIMEOUT_REMOVE`, since 5.5. Resolves to 0; the timer itself rejects with ECANCELED.
 *
 * Errors: ENOENT (it has elapsed), EALREADY (it is elapsing). In a link: an error severs. No memory is used.
 *
 * @example
 * ```ts
 * import { OperationHandle, Ring, timeout, timeoutRemove } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const handle = new OperationHandle();
 * const waiting = ring.settle(timeout({ ms: 60_000 }), { handle });
 * console.log(await ring.run(timeoutRemove({ target: handle })), (await waiting).status); // 0 failed
 * ```
 */
export const timeoutRemove = (options: TimeoutRemoveOptions): Operation<number> => new Operation(TIMEOUT_REMOVE, options);

/**
 * Gives a timer another time: `IORING_OP_TIMEOUT_REMOVE` with TIMEOUT_UPDATE, since 5.11. Resolves to 0; the timer goes on.
 *
 * Errors: ENOENT (it has elapsed), EALREADY (it is elapsing). In a link: an error severs. No memory of the caller is held.
 *
 * @example
 * ```ts
 * import { OperationHandle, Ring, timeout, timeoutUpdate } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const handle = new OperationHandle();
 * const waiting = ring.run(timeout({ ms: 60_000 }), { handle });
 * console.log(await ring.run(timeoutUpdate({ target: handle, ms: 1 })), await waiting); // 0 elapsed
 * ```
 */
export const timeoutUpdate = (options: TimeoutUpdateOptions): Operation<number> => new Operation(TIMEOUT_UPDATE, options);
