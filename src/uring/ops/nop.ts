import { high32 } from "../../ffi/index.ts";
import { IORING_NOP_FIXED_FILE, IORING_OP_NOP, IORING_OP_NOP128 } from "../abi.ts";
import { type Direction, type Fd, type FixedBuffer, FixedFile } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { count, declare, Operation } from "../operation.ts";
import { checkBoolean, checkInteger, show } from "../options.ts";

/** Options of {@link nop} and {@link nop128}: what it exercises on its way. For tests and measurements. */
export interface NopOptions {
  /** The result to complete with (`IORING_NOP_INJECT_RESULT`, 6.10): a negative errno makes it fail. */
  result?: number;
  /** A file to look up (`IORING_NOP_FILE`, 6.13; a slot with `IORING_NOP_FIXED_FILE`). */
  fd?: Fd | FixedFile;
  /** A fixed buffer to look up (`IORING_NOP_FIXED_BUFFER`, 6.13). */
  buffer?: FixedBuffer<Direction>;
  /** Completes from task work, as most operations on files do (`IORING_NOP_TW`, 6.16). */
  taskWork?: boolean;
  /** Two words of 64 bits for the second half of a CQE of 32 bytes (`IORING_NOP_CQE32`, 6.18). Needs a ring with such CQEs. */
  extra?: readonly [number, number];
}

const SQE_EXTRA = 2; // both 64-bit fields behind the descriptor
const OPTIONS = ["result", "fd", "buffer", "taskWork", "extra"] as const;

type NopWords = [flags: number, result: number, fd: number, bufferIndex: number];

// Beside the raw writer, which would have to split them each time.
function setExtra(what: string, extra: readonly [number, number], l: Lowering): number {
  if (!Array.isArray(extra) || extra.length !== 2)
    throw new TypeError(`${what}: extra is ${show(extra)}; it must be an array of two numbers`);
  const flag = l.needs("IORING_NOP_CQE32");
  l.pin(extra); // not that the kernel would look at it, but this depends on more than the options: on the ring
  if (l.ring?.record.cqe === 16) throw new TypeError(`${what}: extra needs a ring opened with cqe: 32 or cqe: 'mixed'`);
  for (const [i, value] of extra.entries()) {
    checkInteger(what, "extra", value, 0, 2 ** 53 - 1);
    l.set(SQE_EXTRA + 2 * i, value | 0);
    l.set(SQE_EXTRA + 2 * i + 1, high32(value));
  }
  return flag;
}

function lower(what: string, { result, fd, buffer, taskWork, extra }: NopOptions, l: Lowering): NopWords {
  let flags = 0;
  if (result !== undefined) {
    checkInteger(what, "result", result, -0x8000_0000, 0x7fff_ffff);
    flags |= l.needs("IORING_NOP_INJECT_RESULT");
  }
  let file = -1;
  if (fd !== undefined) {
    flags |= l.needs("IORING_NOP_FILE");
    // Not IOSQE_FIXED_FILE: the NOP looks its file up by itself.
    file = fd instanceof FixedFile ? fd.slot : l.file(fd);
    if (fd instanceof FixedFile) flags |= IORING_NOP_FIXED_FILE;
  }
  if (buffer !== undefined) {
    l.fixed("buffer", buffer);
    flags |= l.needs("IORING_NOP_FIXED_BUFFER");
  }
  if (taskWork !== undefined && checkBoolean(what, "taskWork", taskWork)) flags |= l.needs("IORING_NOP_TW");
  if (extra !== undefined) flags |= setExtra(what, extra, l);
  return [flags, result ?? 0, file, buffer?.index ?? 0];
}

export const NOP = declare({
  name: "nop",
  opcode: IORING_OP_NOP,
  syscall: "none",
  since: "5.1",
  completions: "one",
  severs: true,
  options: OPTIONS,
  steady: true,
  raw(slot: number, flags: number = 0, result: number = 0, fd: number = -1, bufferIndex: number = 0) {
    this.prep(IORING_OP_NOP, slot, fd, 0, 0, result, flags, bufferIndex, 0, 0);
  },
  lower: (o: NopOptions, l): NopWords => lower("nop", o, l),
  result: count,
});

const NOTHING = new Int32Array(0);

export const NOP128 = declare({
  name: "nop128",
  opcode: IORING_OP_NOP128,
  syscall: "none",
  since: "5.19",
  completions: "one",
  severs: true,
  options: OPTIONS,
  raw(slot: number, flags: number = 0, result: number = 0, fd: number = -1, bufferIndex: number = 0) {
    // Where every SQE has 128 bytes the plain opcode is the one that all kernels know; a mixed ring needs the long one (6.19).
    this.prep128(this.record.sqe === 128 ? IORING_OP_NOP : IORING_OP_NOP128, slot, fd, 0, 0, flags, NOTHING);
    this.setWord(6, result);
    this.setWord(10, bufferIndex);
  },
  lower: (o: NopOptions, l): NopWords => lower("nop128", o, l),
  result: count,
});

// Descriptions are immutable: the plain one is made once.
const PLAIN: Operation<number> = new Operation(NOP, {});

/**
 * Does nothing, and completes: `IORING_OP_NOP`, since 5.1. Resolves to 0, or to what `result` says. No system call does it.
 *
 * Errors: whatever `result` injects; EBADF for `fd`, EFAULT for `buffer` where the slot is empty. In a link it fails like any other when
 * its result is negative. No memory is used.
 *
 * @example
 * ```ts
 * import { nop, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * console.log(await ring.run(nop())); // 0
 * ```
 */
export const nop = (options?: NopOptions): Operation<number> => (options === undefined ? PLAIN : new Operation(NOP, options));

/**
 * Does nothing with an SQE of 128 bytes: `IORING_OP_NOP128` on a ring opened with `sqe: "mixed"`, since 6.19, `IORING_OP_NOP` on one with
 * `sqe: 128`, since 5.19. No system call does it. Resolves to 0, or to what `result` says.
 *
 * Errors: as {@link nop}; a TypeError before submission on a ring whose SQEs have 64 bytes. In a link it fails when its result is
 * negative. No memory is used.
 *
 * @example
 * ```ts
 * import { nop128, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8, sqe: 128 });
 * console.log(await ring.run(nop128())); // 0
 * ```
 */
export const nop128 = (options: NopOptions = {}): Operation<number> => new Operation(NOP128, options);
