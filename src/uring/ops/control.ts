import { addressOf } from "../../ffi/index.ts";
import {
  IORING_ASYNC_CANCEL_ALL,
  IORING_ASYNC_CANCEL_FD,
  IORING_OP_ASYNC_CANCEL,
  IORING_OP_POLL_ADD,
  IORING_OP_TIMEOUT,
  IORING_TIMEOUT_ABS,
} from "../abi.ts";
import type { Fd, FixedFile } from "../handles.ts";
import { count, declare, Operation } from "../operation.ts";
import { io_timespec } from "../structs.ts";

const ETIME = -62;

/** Options of {@link timeout}. */
export interface TimeoutOptions {
  /** Milliseconds, fractions allowed: from now, or on the monotonic clock with `absolute`. */
  ms: number;
  /** Also completes after this many other completions. */
  completions?: number;
  /** `ms` is a point in time of the monotonic clock (`CLOCK_MONOTONIC`), not a duration. */
  absolute?: boolean;
}

export const TIMEOUT = declare({
  name: "timeout",
  opcode: IORING_OP_TIMEOUT,
  syscall: "timerfd",
  since: "5.4",
  completions: "one",
  options: ["ms", "completions", "absolute"],
  accepts: [ETIME],
  raw(slot: number, timespec: number, completions: number, flags: number) {
    this.prep(IORING_OP_TIMEOUT, slot, -1, completions, timespec, 1, flags, 0, 0, 0);
  },
  lower(o: TimeoutOptions, l) {
    if (!(o.ms >= 0) || o.ms > Number.MAX_SAFE_INTEGER)
      throw new RangeError(`timeout: ms is ${o.ms}; it must be a number of milliseconds of at least 0`);
    const nanoseconds = Math.round((o.ms % 1000) * 1e6);
    const timespec = io_timespec.build({ tv_sec: Math.floor(o.ms / 1000) + Math.floor(nanoseconds / 1e9), tv_nsec: nanoseconds % 1e9 });
    l.pins.push(timespec);
    return [addressOf(timespec), o.completions ?? 0, o.absolute ? IORING_TIMEOUT_ABS : 0] as [number, number, number];
  },
  result: (result: number): "elapsed" | "completions" => (result === ETIME ? "elapsed" : "completions"),
});

/**
 * A timer: `IORING_OP_TIMEOUT`, since 5.4. Resolves to `"elapsed"`, or to `"completions"` when the count came first.
 *
 * Errors: ECANCELED. In a kernel link its -ETIME counts as a failure. Precision is the kernel's high-resolution timer.
 */
export const timeout = (options: TimeoutOptions): Operation<"elapsed" | "completions"> => new Operation(TIMEOUT, options);

/** Options of {@link cancelFd}. */
export interface CancelFdOptions {
  /** The descriptor whose operations are cancelled. */
  fd: Fd;
}

export const ASYNC_CANCEL = declare({
  name: "cancelFd",
  opcode: IORING_OP_ASYNC_CANCEL,
  syscall: "none",
  since: "5.19",
  completions: "one",
  options: ["fd"],
  raw(slot: number, fd: number, userDataLow: number, userDataHigh: number, flags: number) {
    this.prep(IORING_OP_ASYNC_CANCEL, slot, fd, 0, 0, 0, flags, 0, 0, 0);
    this.setWord(4, userDataLow);
    this.setWord(5, userDataHigh);
  },
  lower: (o: CancelFdOptions) => [o.fd, 0, 0, IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL] as [number, number, number, number],
  result: count,
});

/**
 * Cancels every operation of this ring on a descriptor: `IORING_OP_ASYNC_CANCEL` with CANCEL_FD and CANCEL_ALL, since 5.19.
 * Resolves to how many were found; they complete by themselves, mostly with ECANCELED. One operation is cancelled by the
 * `AbortSignal` given to `ring.run`. Errors: ENOENT is 0 found; EALREADY.
 */
export const cancelFd = (options: CancelFdOptions): Operation<number> => new Operation(ASYNC_CANCEL, options);

/** Events of {@link poll} (`poll(2)`). */
export const POLLIN = 1;
export const POLLOUT = 4;
export const POLLERR = 8;
export const POLLHUP = 16;

/** Options of {@link poll}. */
export interface PollOptions {
  /** The file: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** `POLL*` events to wait for. */
  events: number;
}

export const POLL_ADD = declare({
  name: "poll",
  opcode: IORING_OP_POLL_ADD,
  syscall: "poll(2)",
  since: "5.1",
  completions: "one",
  options: ["fd", "events"],
  raw(slot: number, fd: number, events: number) {
    this.prep(IORING_OP_POLL_ADD, slot, fd, 0, 0, 0, events, 0, 0, 0);
  },
  lower: (o: PollOptions, l) => [l.file(o.fd), o.events] as [number, number],
  result: count,
});

/** Waits until a file is ready: `IORING_OP_POLL_ADD`, since 5.1; as `poll(2)`. Resolves to the events that are set. Errors: EBADF. */
export const poll = (options: PollOptions): Operation<number> => new Operation(POLL_ADD, options);
