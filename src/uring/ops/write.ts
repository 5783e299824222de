import type { Memory } from "../../ffi/index.ts";
import { IORING_OP_WRITE, IORING_OP_WRITE_FIXED, IORING_OP_WRITEV, IORING_OP_WRITEV_FIXED } from "../abi.ts";
import type { FixedSource } from "../handles.ts";
import { count, declare, TransferOperation } from "../operation.ts";
import { lengthOfMany, lengthOfOne } from "./lengths.ts";
import { lowerFixed, lowerMany, lowerManyFixed, lowerOne, WRITE_MANY, WRITE_ONE, type WriteTransferOptions } from "./rw.ts";

/** Options of {@link write}. */
export interface WriteOptions extends WriteTransferOptions {
  /** Written from its first byte; not to be changed or transferred before the operation completes. */
  buffer: Memory;
}
/** Options of {@link writeFixed}. */
export interface WriteFixedOptions extends WriteTransferOptions {
  /** A fixed buffer, or a part of one, that data may come from. */
  buffer: FixedSource;
}
/** Options of {@link writev}. */
export interface WritevOptions extends WriteTransferOptions {
  /** Written in order; 1 to 1024. */
  buffers: readonly Memory[];
}
/** Options of {@link writevFixed}. */
export interface WritevFixedOptions extends WriteTransferOptions {
  /** Parts of one fixed buffer, written in order. */
  buffers: readonly FixedSource[];
}

export const WRITE = declare({
  name: "write",
  opcode: IORING_OP_WRITE,
  syscall: "pwrite(2)",
  since: "5.6",
  completions: "one",
  severs: "short",
  steady: true,
  options: WRITE_ONE,
  raw(slot: number, fd: number, address: number, length: number, offset: number, flags: number) {
    this.prep(IORING_OP_WRITE, slot, fd, offset, address, length, flags, 0, 0, 0);
  },
  lower: lowerOne,
  length: lengthOfOne,
  result: count,
});

export const WRITE_FIXED = declare({
  name: "writeFixed",
  opcode: IORING_OP_WRITE_FIXED,
  syscall: "pwrite(2)",
  since: "5.1",
  completions: "one",
  severs: "short",
  steady: true,
  options: WRITE_ONE,
  raw(slot: number, fd: number, address: number, length: number, offset: number, index: number, flags: number) {
    this.prep(IORING_OP_WRITE_FIXED, slot, fd, offset, address, length, flags, index, 0, 0);
  },
  lower: lowerFixed,
  length: lengthOfOne,
  result: count,
});

export const WRITEV = declare({
  name: "writev",
  opcode: IORING_OP_WRITEV,
  syscall: "pwritev2(2)",
  since: "5.1",
  completions: "one",
  severs: "short",
  steady: true,
  options: WRITE_MANY,
  raw(slot: number, fd: number, vectors: number, vectorCount: number, offset: number, flags: number) {
    this.prep(IORING_OP_WRITEV, slot, fd, offset, vectors, vectorCount, flags, 0, 0, 0);
  },
  lower: lowerMany,
  length: lengthOfMany,
  result: count,
});

export const WRITEV_FIXED = declare({
  name: "writevFixed",
  opcode: IORING_OP_WRITEV_FIXED,
  syscall: "pwritev2(2)",
  since: "6.15",
  completions: "one",
  severs: "short",
  steady: true,
  options: WRITE_MANY,
  raw(slot: number, fd: number, vectors: number, vectorCount: number, offset: number, index: number, flags: number) {
    this.prep(IORING_OP_WRITEV_FIXED, slot, fd, offset, vectors, vectorCount, flags, index, 0, 0);
  },
  lower: lowerManyFixed,
  length: lengthOfMany,
  result: count,
});

/**
 * Writes to a file: `IORING_OP_WRITE`, since 5.6; as `pwrite(2)`. Resolves to the bytes written, which may be fewer than asked.
 *
 * Errors: EBADF, EFAULT, EINVAL (O_DIRECT alignment), ENOSPC, EIO, EPIPE. In a soft link anything but the whole length severs the
 * chain. Writes of one ring to one file may run in any order. The buffer is pinned until the CQE.
 *
 * @example
 * ```ts
 * import { Ring, write } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = sys.memfdCreate("example");
 * console.log(await ring.run(write({ fd, buffer: new TextEncoder().encode("hello"), offset: 0 }))); // 5
 * sys.close(fd);
 * ```
 */
export const write = (options: WriteOptions): TransferOperation => new TransferOperation(WRITE, options);

/**
 * Writes from a fixed buffer: `IORING_OP_WRITE_FIXED`, since 5.1. As {@link write}, without mapping the pages each time; resolves to the
 * bytes written. The buffer's memory belongs to the ring.
 *
 * Errors: as {@link write}; EFAULT when the slot is empty, the range too long, or the kernel buffer is a sink. In a soft link anything
 * but the whole length severs the chain.
 *
 * @example
 * ```ts
 * import { Ring, writeFixed } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
 * const fd = sys.memfdCreate("example");
 * const buffer = ring.fixedBuffer(4096);
 * buffer.bytes.set(new TextEncoder().encode("hello"));
 * console.log(await ring.run(writeFixed({ fd, buffer: buffer.slice(0, 5), offset: 0 }))); // 5
 * sys.close(fd);
 * ```
 */
export const writeFixed = (options: WriteFixedOptions): TransferOperation => new TransferOperation(WRITE_FIXED, options);

/**
 * Writes from several buffers: `IORING_OP_WRITEV`, since 5.1; as `pwritev2(2)`. Resolves to the bytes written.
 *
 * Errors: as {@link write}. In a soft link anything but the whole length severs the chain. The buffers are pinned until the CQE; the list
 * of them is copied at submission.
 *
 * @example
 * ```ts
 * import { Ring, writev } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = sys.memfdCreate("example");
 * const buffers = ["head", "body"].map((text) => new TextEncoder().encode(text));
 * console.log(await ring.run(writev({ fd, buffers, offset: 0 }))); // 8
 * sys.close(fd);
 * ```
 */
export const writev = (options: WritevOptions): TransferOperation => new TransferOperation(WRITEV, options);

/**
 * Writes from parts of one fixed buffer: `IORING_OP_WRITEV_FIXED`, since 6.15; as `pwritev2(2)`. Resolves to the bytes written. The
 * buffer's memory belongs to the ring.
 *
 * Errors: as {@link writeFixed}. In a soft link anything but the whole length severs the chain.
 *
 * @example
 * ```ts
 * import { Ring, writevFixed } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
 * const fd = sys.memfdCreate("example");
 * const buffer = ring.fixedBuffer(4096);
 * const gather = writevFixed({ fd, buffers: [buffer.slice(1024, 6), buffer.slice(0, 2)], offset: 0 });
 * console.log(ring.supports(gather) ? await ring.run(gather) : 8); // 8
 * sys.close(fd);
 * ```
 */
export const writevFixed = (options: WritevFixedOptions): TransferOperation => new TransferOperation(WRITEV_FIXED, options);
