import { addressOf } from "../../ffi/index.ts";
import { IORING_TIMEOUT_ABS, IORING_TIMEOUT_BOOTTIME, IORING_TIMEOUT_IMMEDIATE_ARG, IORING_TIMEOUT_REALTIME } from "../abi.ts";
import type { Lowering } from "../lowering.ts";
import { checkBoolean, checkChoice, show } from "../options.ts";
import { io_timespec } from "../structs.ts";

/** Which clock a timer follows: `"boottime"` counts the time that the machine slept, `"realtime"` is the time of day. */
export type TimeoutClock = "monotonic" | "boottime" | "realtime";

const CLOCK_FLAGS: Readonly<Record<TimeoutClock, number>> = {
  monotonic: 0,
  boottime: IORING_TIMEOUT_BOOTTIME,
  realtime: IORING_TIMEOUT_REALTIME,
};

/** A time as the timer operations are told it. */
export interface TimeOptions {
  ms: number;
  absolute?: boolean;
  clock?: TimeoutClock;
}

/**
 * The argument and the flags of a time: nanoseconds in the SQE itself where the kernel takes that (7.1), so that there is no memory to
 * keep; a pinned timespec elsewhere, and for numbers that would lose a nanosecond.
 */
export function timeOf(what: string, { ms, absolute, clock }: TimeOptions, l: Lowering): [argument: number, flags: number] {
  if (typeof ms !== "number" || !(ms >= 0) || ms > Number.MAX_SAFE_INTEGER)
    throw new RangeError(`${what}: ms is ${show(ms)}; it must be a number of milliseconds of at least 0`);
  if (absolute !== undefined) checkBoolean(what, "absolute", absolute);
  if (clock !== undefined) checkChoice(what, "clock", clock, ["monotonic", "boottime", "realtime"]);
  const flags = (absolute ? IORING_TIMEOUT_ABS : 0) | (clock === undefined ? 0 : CLOCK_FLAGS[clock]);
  if (clock === "boottime") l.needs("IORING_TIMEOUT_BOOTTIME");
  if (clock === "realtime") l.needs("IORING_TIMEOUT_REALTIME");
  const nanoseconds = Math.round((ms % 1000) * 1e6);
  const seconds = Math.floor(ms / 1000) + Math.floor(nanoseconds / 1e9);
  const all = seconds * 1e9 + (nanoseconds % 1e9);
  if (all <= Number.MAX_SAFE_INTEGER && l.supports("IORING_TIMEOUT_IMMEDIATE_ARG")) return [all, flags | IORING_TIMEOUT_IMMEDIATE_ARG];
  const timespec = io_timespec.build({ tv_sec: seconds, tv_nsec: nanoseconds % 1e9 });
  l.pin(timespec);
  return [addressOf(timespec), flags];
}
