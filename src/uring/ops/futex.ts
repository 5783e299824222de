import { IORING_OP_FUTEX_WAIT, IORING_OP_FUTEX_WAITV, IORING_OP_FUTEX_WAKE } from "../abi.ts";
import { futex_waitv } from "../linux-structs.ts";
import type { Lowering } from "../lowering.ts";
import { count, declare, Operation } from "../operation.ts";
import { checkBoolean, checkInteger, show } from "../options.ts";
import { FUTEX_BITSET_MATCH_ANY, FUTEX2_PRIVATE, FUTEX2_SIZE_U32 } from "../process-constants.ts";

/** A word of memory that threads or processes wait on. */
export interface FutexWord {
  /**
   * Where it is: a view of a SharedArrayBuffer, which Workers share, or of memory that is mapped into several processes (an Arena).
   * Pinned until the CQE.
   */
  words: Int32Array;
  /** Which word of the view; default 0. */
  index?: number;
  /** Whether other processes wait on it as well; default false: threads of this one only, which is faster. */
  shared?: boolean;
}
/** Options of {@link futexWait}. */
export interface FutexWaitOptions extends FutexWord {
  /** Waits only while the word has this value. */
  value: number;
  /** Woken only by a wake whose mask shares a bit with this one; default all bits. */
  mask?: number;
}
/** Options of {@link futexWake}. */
export interface FutexWakeOptions extends FutexWord {
  /** How many to wake; default all. */
  count?: number;
  /** Wakes only those whose mask shares a bit with this one; default all bits. */
  mask?: number;
}
/** Options of {@link futexWaitv}. */
export interface FutexWaitvOptions {
  /** The words, 1 to 128, each with the value it must have. */
  futexes: readonly (FutexWord & { value: number })[];
}

const EAGAIN = -11;
const ALL = 0x7fff_ffff;
const MOST = 128;

// The kernel compares 32 bits and refuses more: a negative value is its two's complement.
function valueBits(l: Lowering, option: string, value: number): number {
  return checkInteger(l.name, option, value, -0x8000_0000, 0xffff_ffff) >>> 0;
}

function address(word: FutexWord, l: Lowering): number {
  const { words, index = 0 } = word;
  if (!(words instanceof Int32Array)) throw new TypeError(`${l.name}: words is ${show(words)}; it must be an Int32Array`);
  checkInteger(l.name, "index", index, 0, words.length - 1);
  return l.memory(words) + index * 4;
}

function kind({ shared }: FutexWord, l: Lowering): number {
  const across = shared !== undefined && checkBoolean(l.name, "shared", shared);
  return FUTEX2_SIZE_U32 | (across ? 0 : FUTEX2_PRIVATE);
}

function maskOf(mask: number | undefined, l: Lowering): number {
  return mask === undefined ? FUTEX_BITSET_MATCH_ANY : checkInteger(l.name, "mask", mask, 1, 0xffff_ffff);
}

export const FUTEX_WAIT = declare({
  name: "futexWait",
  opcode: IORING_OP_FUTEX_WAIT,
  syscall: "futex_wait(2)",
  since: "6.7",
  completions: "one",
  options: ["words", "index", "shared", "value", "mask"],
  accepts: [EAGAIN],
  raw(slot: number, futex: number, value: number, mask: number, futexFlags: number, flags: number) {
    this.prep(IORING_OP_FUTEX_WAIT, slot, futexFlags, value, futex, 0, flags, 0, 0, mask);
  },
  lower: (o: FutexWaitOptions, l) => [address(o, l), valueBits(l, "value", o.value), maskOf(o.mask, l), kind(o, l), 0],
  result: (result: number): "ok" | "not-equal" => (result === EAGAIN ? "not-equal" : "ok"),
});

export const FUTEX_WAKE = declare({
  name: "futexWake",
  opcode: IORING_OP_FUTEX_WAKE,
  syscall: "futex_wake(2)",
  since: "6.7",
  completions: "one",
  severs: true,
  options: ["words", "index", "shared", "count", "mask"],
  raw(slot: number, futex: number, most: number, mask: number, futexFlags: number, flags: number) {
    this.prep(IORING_OP_FUTEX_WAKE, slot, futexFlags, most, futex, 0, flags, 0, 0, mask);
  },
  lower: (o: FutexWakeOptions, l) => [
    address(o, l),
    checkInteger(l.name, "count", o.count === undefined ? ALL : o.count, 0, ALL),
    maskOf(o.mask, l),
    kind(o, l),
    0,
  ],
  result: count,
});

export const FUTEX_WAITV = declare({
  name: "futexWaitv",
  opcode: IORING_OP_FUTEX_WAITV,
  syscall: "futex_waitv(2)",
  since: "6.7",
  completions: "one",
  options: ["futexes"],
  accepts: [EAGAIN],
  raw(slot: number, futexes: number, futexCount: number, flags: number) {
    this.prep(IORING_OP_FUTEX_WAITV, slot, 0, 0, futexes, futexCount, flags, 0, 0, 0);
  },
  lower(o: FutexWaitvOptions, l) {
    const { length } = l.list("futexes", o.futexes, MOST);
    const list = futex_waitv.allocate(length);
    for (const [i, futex] of o.futexes.entries()) {
      if (typeof futex !== "object" || futex === null)
        throw new TypeError(`${l.name}: futexes[${i}] is ${show(futex)}; it must be an object`);
      futex_waitv.set(list, "val", valueBits(l, `futexes[${i}].value`, futex.value), i * futex_waitv.size);
      futex_waitv.set(list, "uaddr", address(futex, l), i * futex_waitv.size);
      futex_waitv.set(list, "flags", kind(futex, l), i * futex_waitv.size);
    }
    return [l.memory(list), length, 0];
  },
  result: (result: number): number | "not-equal" => (result === EAGAIN ? "not-equal" : result),
});

/**
 * Waits until a word of memory is woken: `IORING_OP_FUTEX_WAIT`, since 6.7; as `futex_wait(2)`. Resolves to `"ok"`, or to `"not-equal"`
 * when the word had another value at submission. Woken by {@link futexWake} and by futexes of other languages; `Atomics.notify` has a
 * queue of its own and wakes nobody here.
 *
 * Errors: EINVAL (flags, mask), EFAULT. In a soft link an error and `"not-equal"` sever the chain. The words are pinned until the CQE.
 *
 * @example
 * ```ts
 * import { futexWait, futexWake, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const words = new Int32Array(new SharedArrayBuffer(4));
 * const woken = ring.run(futexWait({ words, value: 0 }));
 * await ring.run(futexWake({ words, count: 1 }));
 * console.log(await woken); // ok
 * ```
 */
export const futexWait = (options: FutexWaitOptions): Operation<"ok" | "not-equal"> => new Operation(FUTEX_WAIT, options);

/**
 * Wakes who waits on a word of memory: `IORING_OP_FUTEX_WAKE`, since 6.7; as `futex_wake(2)`. Resolves to how many were woken. Change the
 * word first, with Atomics.
 *
 * Errors: EINVAL (flags, mask), EFAULT. An error severs a soft link. The words are pinned until the CQE.
 *
 * @example
 * ```ts
 * import { futexWake, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const words = new Int32Array(new SharedArrayBuffer(4));
 * console.log(await ring.run(futexWake({ words }))); // 0
 * ```
 */
export const futexWake = (options: FutexWakeOptions): Operation<number> => new Operation(FUTEX_WAKE, options);

/**
 * Waits until one of several words is woken: `IORING_OP_FUTEX_WAITV`, since 6.7; as `futex_waitv(2)`. Resolves to the index of one that
 * was woken, or to `"not-equal"` when one of them had another value at submission.
 *
 * Errors: EINVAL (flags), EFAULT. In a soft link an error and `"not-equal"` sever the chain. The words are pinned until the CQE; the list
 * is copied at submission.
 *
 * @example
 * ```ts
 * import { futexWaitv, futexWake, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const words = new Int32Array(new SharedArrayBuffer(8));
 * const woken = ring.run(futexWaitv({ futexes: [0, 1].map((index) => ({ words, index, value: 0 })) }));
 * await ring.run(futexWake({ words, index: 1 }));
 * console.log(await woken); // 1
 * ```
 */
export const futexWaitv = (options: FutexWaitvOptions): Operation<number | "not-equal"> => new Operation(FUTEX_WAITV, options);
