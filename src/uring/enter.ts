import { Arena, errnoName } from "../ffi/index.ts";
import {
  IORING_ENTER_ABS_TIMER,
  IORING_ENTER_EXT_ARG,
  IORING_ENTER_EXT_ARG_REG,
  IORING_ENTER_NO_IOWAIT,
  IORING_FEAT_MIN_TIMEOUT,
  IORING_FEAT_NO_IOWAIT,
  IORING_REG_WAIT_TS,
} from "./abi.ts";
import { UringError } from "./error.ts";
import { checkInteger, checkKnown } from "./options.ts";
import type { Registrations } from "./register/index.ts";
import { io_timespec, io_uring_getevents_arg, io_uring_reg_wait } from "./structs.ts";

const EOPNOTSUPP = -95;
const TIMESPEC_AT = 64;
const TWO_32 = 0x1_0000_0000;

const HINTS: Readonly<Record<string, string>> = {
  EEXIST: "another thread made this ring; a ring lives and dies in one thread",
  EBADR: "the kernel ran out of memory for completions and lost some",
  EBADFD: "the ring is disabled; call register.enable() first",
  EOWNERDEAD: "the kernel's SQPOLL thread is gone",
  EBUSY: "the kernel takes no more SQEs; reap completions first",
};

/** An enter that will not work when it is repeated either. */
export function enterError(errno: number): UringError {
  const hint = HINTS[errnoName(errno)];
  return new UringError({ operation: "enter", syscall: "io_uring_enter", errno, ...(hint === undefined ? {} : { hint }) });
}

/** What {@link RingCore.enterWith} is told. */
export interface EnterOptions {
  /** CQEs to wait for. Default 1. */
  minComplete?: number;
  /** The longest wait in nanoseconds. Default for ever. */
  timeoutNs?: number;
  /** `timeoutNs` is a time of the ring's clock, not a duration (`IORING_ENTER_ABS_TIMER`, 6.12). */
  absolute?: boolean;
  /** After this many microseconds fewer CQEs than `minComplete` will do, if there is one at all (`FEAT_MIN_TIMEOUT`, 6.12). */
  minWaitUs?: number;
  /** The wait does not count as waiting for I/O in the CPU's statistics (`IORING_ENTER_NO_IOWAIT`, 6.15). */
  noIowait?: boolean;
}

/** Checks the options, also against what the kernel said it can do. */
export function checkEnter(options: EnterOptions, features: number): void {
  const what = "enterWith";
  checkKnown(what, options, ["minComplete", "timeoutNs", "absolute", "minWaitUs", "noIowait"]);
  const whole = (option: "minComplete" | "timeoutNs" | "minWaitUs", most: number): void => {
    if (options[option] !== undefined) checkInteger(what, option, options[option], 0, most);
  };
  whole("minComplete", 0x7fff_ffff);
  whole("timeoutNs", Number.MAX_SAFE_INTEGER);
  whole("minWaitUs", 0xffff_ffff);
  if (options.absolute && options.timeoutNs === undefined) throw new TypeError("enterWith: absolute needs timeoutNs");
  // ABS_TIMER and the minimum wait came with the same kernel.
  if (options.absolute || (options.minWaitUs ?? 0) > 0) need(features, IORING_FEAT_MIN_TIMEOUT, "absolute and minWaitUs", "6.12");
  if (options.noIowait) need(features, IORING_FEAT_NO_IOWAIT, "noIowait", "6.15");
}

/** The flags that say what the options ask for. */
export const enterFlagsOf = ({ absolute, noIowait }: EnterOptions): number =>
  (absolute ? IORING_ENTER_ABS_TIMER : 0) | (noIowait ? IORING_ENTER_NO_IOWAIT : 0);

function need(features: number, bit: number, what: string, since: string): void {
  if ((features & bit) !== 0) return;
  throw new UringError({
    operation: "enter",
    syscall: "io_uring_enter",
    errno: EOPNOTSUPP,
    hint: `this kernel does not have ${what}; it came with Linux ${since}`,
  });
}

/**
 * The argument of an enter with a time limit, in memory that does not move: `struct io_uring_getevents_arg`, which the kernel copies
 * at every call, or, once registered, `struct io_uring_reg_wait`, which it looks at in place.
 */
export class WaitArgument implements Disposable {
  /** Flags that tell enter what its argument is. */
  enterFlags = IORING_ENTER_EXT_ARG;
  /** What enter is given: an address, or an offset in the registered region. */
  argument: number;
  /** Bytes in it: what enter is told as `argsz`. */
  size: number = io_uring_getevents_arg.size;
  readonly #arena = Arena.allocate(4096, { populate: true });
  #words: Int32Array = this.#arena.words(TIMESPEC_AT, io_timespec.size / 4);
  #minWait = io_uring_getevents_arg.fields.min_wait_usec[0] >> 2;
  #registered = false;
  #nanoseconds = -1;
  #minWaitUs = 0;

  constructor() {
    this.argument = this.#arena.address;
    io_uring_getevents_arg.set(this.#arena.view(), "ts", this.#arena.address + TIMESPEC_AT);
  }

  /** Makes it the ring's registered wait (6.13). The ring must be disabled still. */
  register(register: Registrations): void {
    register.memoryRegion({ address: this.#arena.address, length: this.#arena.length, waits: true });
    this.#arena.words().fill(0);
    this.#arena.view().setUint32(io_uring_reg_wait.fields.flags[0], IORING_REG_WAIT_TS, true);
    this.enterFlags = IORING_ENTER_EXT_ARG | IORING_ENTER_EXT_ARG_REG;
    this.argument = 0;
    this.size = io_uring_reg_wait.size;
    this.#words = this.#arena.words(0, io_timespec.size / 4);
    this.#minWait = io_uring_reg_wait.fields.min_wait_usec[0] >> 2;
    this.#registered = true;
    this.#nanoseconds = -1;
  }

  /** Sets the limit; negative is none. The same one again, as in a loop, costs nothing. */
  limit(nanoseconds: number, minWaitUs = 0): void {
    if (minWaitUs !== this.#minWaitUs || nanoseconds < 0 !== this.#nanoseconds < 0) this.#change(nanoseconds, minWaitUs);
    if (nanoseconds === this.#nanoseconds || nanoseconds < 0) return;
    const seconds = Math.floor(nanoseconds / 1e9);
    this.#words[0] = seconds;
    this.#words[1] = Math.floor(seconds / TWO_32);
    this.#words[2] = nanoseconds % 1e9;
    this.#nanoseconds = nanoseconds;
  }

  // Whether there is a limit at all, and the minimum: rarely another than the last time.
  #change(nanoseconds: number, minWaitUs: number): void {
    const words = this.#arena.words();
    words[this.#minWait] = minWaitUs;
    this.#minWaitUs = minWaitUs;
    const limited = nanoseconds >= 0;
    if (this.#registered) words[io_uring_reg_wait.fields.flags[0] >> 2] = limited ? IORING_REG_WAIT_TS : 0;
    else io_uring_getevents_arg.set(this.#arena.view(), "ts", limited ? this.#arena.address + TIMESPEC_AT : 0);
    if (!limited) this.#nanoseconds = -1;
  }

  /** Gives the memory back. */
  [Symbol.dispose](): void {
    this.#arena.dispose();
  }
}
