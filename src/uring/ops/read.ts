import type { Memory } from "../../ffi/index.ts";
import { IORING_OP_READ, IORING_OP_READ_FIXED, IORING_OP_READV, IORING_OP_READV_FIXED } from "../abi.ts";
import type { FixedSink } from "../handles.ts";
import { count, declare, TransferOperation } from "../operation.ts";
import { lengthOfMany, lengthOfOne } from "./lengths.ts";
import { lowerFixed, lowerMany, lowerManyFixed, lowerOne, READ_MANY, READ_ONE, type TransferOptions } from "./rw.ts";

/** Options of {@link read}. */
export interface ReadOptions extends TransferOptions {
  /** Filled from its first byte; not to be transferred or resized before the operation completes. */
  buffer: Memory;
}
/** Options of {@link readFixed}. */
export interface ReadFixedOptions extends TransferOptions {
  /** A fixed buffer, or a part of one, that data may go into. */
  buffer: FixedSink;
}
/** Options of {@link readv}. */
export interface ReadvOptions extends TransferOptions {
  /** Filled in order; 1 to 1024. */
  buffers: readonly Memory[];
}
/** Options of {@link readvFixed}. */
export interface ReadvFixedOptions extends TransferOptions {
  /** Parts of one fixed buffer, filled in order. */
  buffers: readonly FixedSink[];
}

export const READ = declare({
  name: "read",
  opcode: IORING_OP_READ,
  syscall: "pread(2)",
  since: "5.6",
  completions: "one",
  severs: "short",
  steady: true,
  options: READ_ONE,
  raw(slot: number, fd: number, address: number, length: number, offset: number, flags: number) {
    this.prep(IORING_OP_READ, slot, fd, offset, address, length, flags, 0, 0, 0);
  },
  lower: lowerOne,
  length: lengthOfOne,
  result: count,
});

export const READ_FIXED = declare({
  name: "readFixed",
  opcode: IORING_OP_READ_FIXED,
  syscall: "pread(2)",
  since: "5.1",
  completions: "one",
  severs: "short",
  steady: true,
  options: READ_ONE,
  raw(slot: number, fd: number, address: number, length: number, offset: number, index: number, flags: number) {
    this.prep(IORING_OP_READ_FIXED, slot, fd, offset, address, length, flags, index, 0, 0);
  },
  lower: lowerFixed,
  length: lengthOfOne,
  result: count,
});

export const READV = declare({
  name: "readv",
  opcode: IORING_OP_READV,
  syscall: "preadv2(2)",
  since: "5.1",
  completions: "one",
  severs: "short",
  steady: true,
  options: READ_MANY,
  raw(slot: number, fd: number, vectors: number, vectorCount: number, offset: number, flags: number) {
    this.prep(IORING_OP_READV, slot, fd, offset, vectors, vectorCount, flags, 0, 0, 0);
  },
  lower: lowerMany,
  length: lengthOfMany,
  result: count,
});

export const READV_FIXED = declare({
  name: "readvFixed",
  opcode: IORING_OP_READV_FIXED,
  syscall: "preadv2(2)",
  since: "6.15",
  completions: "one",
  severs: "short",
  steady: true,
  options: READ_MANY,
  raw(slot: number, fd: number, vectors: number, vectorCount: number, offset: number, index: number, flags: number) {
    this.prep(IORING_OP_READV_FIXED, slot, fd, offset, vectors, vectorCount, flags, index, 0, 0);
  },
  lower: lowerManyFixed,
  length: lengthOfMany,
  result: count,
});

/**
 * Reads from a file: `IORING_OP_READ`, since 5.6; as `pread(2)`. Resolves to the bytes read: fewer than asked at the end of the
 * file, 0 behind it.
 *
 * Errors: EBADF (descriptor), EFAULT, EINVAL (O_DIRECT alignment), EIO, EAGAIN (RWF_NOWAIT; a descriptor with O_NONBLOCK
 * is waited for all the same). In a soft link anything but
 * the whole length severs the chain. The buffer is pinned until the CQE.
 *
 * @example
 * ```ts
 * import { closeSync, openSync } from "node:fs";
 * import { read, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = openSync("/proc/version", "r");
 * const buffer = new Uint8Array(16);
 * const n = await ring.run(read({ fd, buffer, offset: 0 }));
 * console.log(new TextDecoder().decode(buffer.subarray(0, n))); // Linux version ...
 * closeSync(fd);
 * ```
 */
export const read = (options: ReadOptions): TransferOperation => new TransferOperation(READ, options);

/**
 * Reads into a fixed buffer: `IORING_OP_READ_FIXED`, since 5.1. As {@link read}, without mapping the pages each time; resolves to the
 * bytes read. The buffer's memory belongs to the ring: see {@link Ring.fixedBuffer}.
 *
 * Errors: as {@link read}; EFAULT when the slot is empty, the range too long, or the kernel buffer is a source. In a soft link anything
 * but the whole length severs the chain.
 *
 * @example
 * ```ts
 * import { closeSync, openSync } from "node:fs";
 * import { readFixed, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
 * const fd = openSync("/proc/version", "r");
 * const buffer = ring.fixedBuffer(4096);
 * await ring.run(readFixed({ fd, buffer: buffer.slice(0, 5), offset: 0 }));
 * console.log(new TextDecoder().decode(buffer.bytes.subarray(0, 5))); // Linux
 * closeSync(fd);
 * ```
 */
export const readFixed = (options: ReadFixedOptions): TransferOperation => new TransferOperation(READ_FIXED, options);

/**
 * Reads into several buffers: `IORING_OP_READV`, since 5.1; as `preadv2(2)`. Resolves to the bytes read.
 *
 * Errors: as {@link read}. In a soft link anything but the whole length severs the chain. The buffers are pinned until the CQE; the list
 * of them is copied at submission.
 *
 * @example
 * ```ts
 * import { closeSync, openSync } from "node:fs";
 * import { readv, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = openSync("/proc/version", "r");
 * const [head, rest] = [new Uint8Array(6), new Uint8Array(7)];
 * console.log(await ring.run(readv({ fd, buffers: [head, rest], offset: 0 }))); // 13
 * console.log(new TextDecoder().decode(rest)); // version
 * closeSync(fd);
 * ```
 */
export const readv = (options: ReadvOptions): TransferOperation => new TransferOperation(READV, options);

/**
 * Reads into parts of one fixed buffer: `IORING_OP_READV_FIXED`, since 6.15; as `preadv2(2)`. Resolves to the bytes read. The buffer's
 * memory belongs to the ring.
 *
 * Errors: as {@link readFixed}. In a soft link anything but the whole length severs the chain.
 *
 * @example
 * ```ts
 * import { closeSync, openSync } from "node:fs";
 * import { readvFixed, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
 * const fd = openSync("/proc/version", "r");
 * const buffer = ring.fixedBuffer(4096);
 * const scatter = readvFixed({ fd, buffers: [buffer.slice(1024, 6), buffer.slice(0, 2)], offset: 0 });
 * console.log(ring.supports(scatter) ? await ring.run(scatter) : 8); // 8
 * closeSync(fd);
 * ```
 */
export const readvFixed = (options: ReadvFixedOptions): TransferOperation => new TransferOperation(READV_FIXED, options);
