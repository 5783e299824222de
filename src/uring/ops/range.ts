import { type Memory, PAGE_SIZE } from "../../ffi/index.ts";
import { IORING_OP_FADVISE, IORING_OP_FTRUNCATE, IORING_OP_MADVISE, IORING_OP_SYNC_FILE_RANGE } from "../abi.ts";
import type { Fd, FixedFile } from "../handles.ts";
import { count, declare, Operation } from "../operation.ts";

/** The longest range that the 32-bit length field takes; longer ones go into a 64-bit field, which older kernels do not read. */
const LENGTH_32 = 0xffff_ffff;

/** A range of an open file. */
interface FileRange {
  /** The file: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** Bytes from the start of the file; default 0. */
  offset?: number;
  /** Bytes; default 0, which is all up to the end of the file. */
  length?: number;
}

/** Options of {@link syncFileRange}. */
export interface SyncFileRangeOptions extends FileRange {
  /** `SYNC_FILE_RANGE_*`; default all three: write the range out and wait for it. */
  flags?: number;
}
/** Options of {@link fadvise}. */
export interface FadviseOptions extends FileRange {
  /** `POSIX_FADV_*`. */
  advice: number;
}
/** Options of {@link madvise}. */
export interface MadviseOptions {
  /** The memory: whole pages, such as an Arena's bytes. Pinned until the CQE. */
  memory: Memory;
  /** `MADV_*`. */
  advice: number;
}
/** Options of {@link ftruncate}. */
export interface FtruncateOptions {
  /** The file, open for writing: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** Its new size in bytes. */
  length: number;
}

const SYNC_ALL = 7;

export const SYNC_FILE_RANGE = declare({
  name: "syncFileRange",
  opcode: IORING_OP_SYNC_FILE_RANGE,
  syscall: "sync_file_range(2)",
  since: "5.2",
  completions: "one",
  options: ["fd", "offset", "length", "flags"],
  raw(slot: number, fd: number, length: number, offset: number, flags: number) {
    this.prep(IORING_OP_SYNC_FILE_RANGE, slot, fd, offset, 0, length, flags, 0, 0, 0);
  },
  lower: (o: SyncFileRangeOptions, l) => [
    l.file(o.fd),
    l.word("length", o.length),
    l.bytes("offset", o.offset === undefined ? 0 : o.offset),
    l.word("flags", o.flags, SYNC_ALL),
  ],
  result: count,
});

export const FADVISE = declare({
  name: "fadvise",
  opcode: IORING_OP_FADVISE,
  syscall: "posix_fadvise(2)",
  since: "5.6",
  completions: "one",
  severs: true,
  options: ["fd", "offset", "length", "advice"],
  raw(slot: number, fd: number, offset: number, length: number, advice: number) {
    const long = length > LENGTH_32;
    this.prep(IORING_OP_FADVISE, slot, fd, offset, long ? length : 0, long ? 0 : length, advice, 0, 0, 0);
  },
  lower: (o: FadviseOptions, l) => [
    l.file(o.fd),
    l.bytes("offset", o.offset === undefined ? 0 : o.offset),
    l.bytes("length", o.length === undefined ? 0 : o.length),
    l.needed("advice", o.advice),
  ],
  result: count,
});

export const MADVISE = declare({
  name: "madvise",
  opcode: IORING_OP_MADVISE,
  syscall: "madvise(2)",
  since: "5.6",
  completions: "one",
  options: ["memory", "advice"],
  raw(slot: number, address: number, length: number, advice: number) {
    const long = length > LENGTH_32;
    this.prep(IORING_OP_MADVISE, slot, -1, long ? length : 0, address, long ? 0 : length, advice, 0, 0, 0);
  },
  lower(o: MadviseOptions, l) {
    const address = l.data("memory", o.memory);
    const { byteLength } = o.memory;
    // The kernel rounds the length up: MADV_DONTNEED would empty a neighbour's memory.
    if (address % PAGE_SIZE !== 0 || byteLength % PAGE_SIZE !== 0)
      throw new RangeError(`madvise: memory of ${byteLength} bytes is not made of whole pages; use the bytes of an Arena`);
    return [address, byteLength, l.needed("advice", o.advice)];
  },
  result: count,
});

export const FTRUNCATE = declare({
  name: "ftruncate",
  opcode: IORING_OP_FTRUNCATE,
  syscall: "ftruncate(2)",
  since: "6.9",
  completions: "one",
  options: ["fd", "length"],
  raw(slot: number, fd: number, length: number) {
    this.prep(IORING_OP_FTRUNCATE, slot, fd, length, 0, 0, 0, 0, 0, 0);
  },
  lower: (o: FtruncateOptions, l) => [l.file(o.fd), l.bytes("length", o.length)],
  result: count,
});

/**
 * Writes a range of a file's dirty pages out: `IORING_OP_SYNC_FILE_RANGE`, since 5.2; as `sync_file_range(2)`. Resolves to 0. It is no
 * promise of durability: metadata and the disk's cache are left out ({@link fsync}). The length has 32 bits; 0 is up to the end.
 *
 * Errors: EBADF, EINVAL (flags), ESPIPE (not a file), EIO, ENOSPC. **A failure does not sever a kernel link.** No memory is used.
 *
 * @example
 * ```ts
 * import { closeSync, openSync, unlinkSync } from "node:fs";
 * import { Ring, SYNC_FILE_RANGE_WRITE, syncFileRange, write } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const path = `/tmp/uring-ublk-range-${process.pid}`;
 * const fd = openSync(path, "w");
 * await ring.run(write({ fd, buffer: new Uint8Array(8192), offset: 0 }));
 * console.log(await ring.run(syncFileRange({ fd, length: 4096, flags: SYNC_FILE_RANGE_WRITE }))); // 0
 * closeSync(fd);
 * unlinkSync(path);
 * ```
 */
export const syncFileRange = (options: SyncFileRangeOptions): Operation<number> => new Operation(SYNC_FILE_RANGE, options);

/**
 * Tells the kernel how a range of a file will be used: `IORING_OP_FADVISE`, since 5.6 (ranges beyond 4 GiB since 6.8); as
 * `posix_fadvise(2)`. Resolves to 0.
 *
 * Errors: EBADF, EINVAL (advice), ESPIPE (a pipe). An error severs a soft link. No memory is used.
 *
 * @example
 * ```ts
 * import { closeSync, openSync } from "node:fs";
 * import { fadvise, POSIX_FADV_SEQUENTIAL, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = openSync("/etc/hostname", "r");
 * console.log(await ring.run(fadvise({ fd, advice: POSIX_FADV_SEQUENTIAL }))); // 0
 * closeSync(fd);
 * ```
 */
export const fadvise = (options: FadviseOptions): Operation<number> => new Operation(FADVISE, options);

/**
 * Tells the kernel how memory will be used: `IORING_OP_MADVISE`, since 5.6; as `madvise(2)`. Resolves to 0.
 *
 * Errors: EINVAL (advice, or pages that are locked), ENOMEM (not mapped). **A failure does not sever a kernel link.** The memory is
 * pinned until the CQE, and must be whole pages: MADV_DONTNEED empties them.
 *
 * @example
 * ```ts
 * import { MADV_DONTNEED, madvise, Ring } from "uring-ublk";
 * import { Arena } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * using arena = Arena.allocate(65536);
 * arena.bytes()[0] = 7;
 * await ring.run(madvise({ memory: arena.bytes(), advice: MADV_DONTNEED }));
 * console.log(arena.bytes()[0]); // 0
 * ```
 */
export const madvise = (options: MadviseOptions): Operation<number> => new Operation(MADVISE, options);

/**
 * Cuts a file, or makes it longer with zeros: `IORING_OP_FTRUNCATE`, since 6.9; as `ftruncate(2)`. Resolves to 0.
 *
 * Errors: EBADF, EINVAL (not open for writing, or no regular file), EFBIG, EPERM (sealed). **A failure does not sever a kernel link.**
 * No memory is used.
 *
 * @example
 * ```ts
 * import { ftruncate, Ring, statx } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = sys.memfdCreate("example");
 * if (ring.supports(ftruncate({ fd, length: 0 }))) {
 *   await ring.run(ftruncate({ fd, length: 12345 }));
 *   console.log((await ring.run(statx({ dirfd: fd }))).size); // 12345
 * }
 * sys.close(fd);
 * ```
 */
export const ftruncate = (options: FtruncateOptions): Operation<number> => new Operation(FTRUNCATE, options);
