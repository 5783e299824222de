import { sys } from "../../ffi/index.ts";
import { IORING_FSYNC_DATASYNC, IORING_OP_CLOSE, IORING_OP_FALLOCATE, IORING_OP_FSYNC, IORING_OP_OPENAT } from "../abi.ts";
import { O_CLOEXEC } from "../file-constants.ts";
import type { DirectSlot, Fd, FixedFile } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { count, declare, Operation } from "../operation.ts";
import { checkBoolean } from "../options.ts";
import { emptySlot, filled, TABLE_HINTS } from "./descriptors.ts";

/** Options of {@link fsync}. */
export interface FsyncOptions {
  /** The file: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** Only what is needed to read the data back (`fdatasync(2)`). */
  dataOnly?: boolean;
}

export const FSYNC = declare({
  name: "fsync",
  opcode: IORING_OP_FSYNC,
  syscall: "fsync(2)",
  since: "5.1",
  completions: "one",
  steady: true,
  options: ["fd", "dataOnly"],
  raw(slot: number, fd: number, flags: number) {
    this.prep(IORING_OP_FSYNC, slot, fd, 0, 0, 0, flags, 0, 0, 0);
  },
  lower(o: FsyncOptions, l) {
    const dataOnly = o.dataOnly !== undefined && checkBoolean(l.name, "dataOnly", o.dataOnly);
    return [l.file(o.fd), dataOnly ? IORING_FSYNC_DATASYNC : 0];
  },
  result: count,
});

/**
 * Makes what was written durable: `IORING_OP_FSYNC`, since 5.1; as `fsync(2)` or `fdatasync(2)`. Resolves to 0.
 *
 * It covers writes that have completed, not writes queued before it. Errors: EIO, ENOSPC, EINVAL (not a file). **A failed fsync
 * does not sever a kernel link**: whatever is linked behind it runs.
 * No memory is used.
 *
 * @example
 * ```ts
 * import { closeSync, openSync, unlinkSync } from "node:fs";
 * import { fsync, Ring, write } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const path = `/tmp/uring-ublk-fsync-${process.pid}`;
 * const fd = openSync(path, "w");
 * await ring.run(write({ fd, buffer: new Uint8Array(100), offset: 0 }));
 * console.log(await ring.run(fsync({ fd, dataOnly: true }))); // 0
 * closeSync(fd);
 * unlinkSync(path);
 * ```
 */
export const fsync = (options: FsyncOptions): Operation<number> => new Operation(FSYNC, options);

/** Options of {@link fallocate}. */
export interface FallocateOptions {
  /** The file: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** `FALLOC_FL_*`; 0 allocates. */
  mode?: number;
  /** Bytes. */
  offset: number;
  /** Bytes, more than 0. */
  length: number;
}

export const FALLOCATE = declare({
  name: "fallocate",
  opcode: IORING_OP_FALLOCATE,
  syscall: "fallocate(2)",
  since: "5.6",
  completions: "one",
  options: ["fd", "mode", "offset", "length"],
  raw(slot: number, fd: number, mode: number, offset: number, length: number) {
    // The kernel reads the length from `addr` and the mode from `len`.
    this.prep(IORING_OP_FALLOCATE, slot, fd, offset, length, mode, 0, 0, 0, 0);
  },
  lower: (o: FallocateOptions, l) => [l.file(o.fd), l.word("mode", o.mode), l.bytes("offset", o.offset), l.bytes("length", o.length)],
  result: count,
});

/**
 * Allocates, punches or zeroes a range of a file: `IORING_OP_FALLOCATE`, since 5.6; as `fallocate(2)`. Resolves to 0.
 *
 * Errors: EOPNOTSUPP (the file system cannot), ENOSPC, EINVAL, EFBIG. **A failed fallocate does not sever a kernel link.** No memory
 * is used.
 *
 * @example
 * ```ts
 * import { fallocate, Ring, statx } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = sys.memfdCreate("example");
 * await ring.run(fallocate({ fd, offset: 0, length: 65536 }));
 * console.log((await ring.run(statx({ dirfd: fd }))).size); // 65536
 * sys.close(fd);
 * ```
 */
export const fallocate = (options: FallocateOptions): Operation<number> => new Operation(FALLOCATE, options);

/** Options of {@link openat}. */
export interface OpenatOptions {
  /** The file's path, relative ones from `dirfd`. */
  path: string;
  /** `O_*`; default O_RDONLY. A plain descriptor gets O_CLOEXEC as well. */
  flags?: number;
  /** Permission bits of a file that is created; default 0o666. */
  mode?: number;
  /** Directory that a relative path starts from; default the working directory. */
  dirfd?: Fd;
}
/** Options of {@link openatDirect}. */
export interface OpenatDirectOptions extends OpenatOptions {
  /** Where in the ring's file table; `"any"` lets the kernel choose (5.19). */
  slot: DirectSlot;
}

const pathOf = (o: OpenatOptions, l: Lowering): [dirfd: number, path: number] => [l.directory("dirfd", o.dirfd), l.text("path", o.path)];

export const OPENAT = declare({
  name: "openat",
  opcode: IORING_OP_OPENAT,
  syscall: "openat(2)",
  since: "5.6",
  completions: "one",
  severs: true,
  options: ["path", "flags", "mode", "dirfd"],
  raw(slot: number, dirfd: number, path: number, flags: number, mode: number, fileIndex: number) {
    this.prep(IORING_OP_OPENAT, slot, dirfd, 0, path, mode, flags, 0, fileIndex, 0);
  },
  lower(o: OpenatOptions, l) {
    return [...pathOf(o, l), l.word("flags", o.flags) | O_CLOEXEC, l.word("mode", o.mode, 0o666), 0];
  },
  result: count,
  discard: (fd) => sys.close(fd),
});

export const OPENAT_DIRECT = declare({
  name: "openatDirect",
  opcode: IORING_OP_OPENAT,
  syscall: "openat(2)",
  since: "5.15",
  completions: "one",
  severs: true,
  options: ["path", "flags", "mode", "dirfd", "slot"],
  hints: {
    ...TABLE_HINTS,
    EINVAL: "the slot lies outside the ring's file table, or a flag is refused",
  },
  raw: OPENAT.raw,
  lower(o: OpenatDirectOptions, l) {
    // A table slot has no descriptor flags: the kernel refuses O_CLOEXEC with one.
    return [...pathOf(o, l), l.word("flags", o.flags) & ~O_CLOEXEC, l.word("mode", o.mode, 0o666), l.place(o.slot)];
  },
  result: (result: number, _flags: number, o: OpenatDirectOptions): FixedFile => filled(o.slot, result),
  discard: (result, _flags, o, ring) => emptySlot(filled(o.slot, result).slot, ring),
});

/**
 * Opens a file: `IORING_OP_OPENAT`, since 5.6; as `openat(2)`. Resolves to the descriptor, which the caller closes.
 *
 * Errors: ENOENT, EACCES, EMFILE and the others of openat(2). An error severs a soft link. The path is copied at submission.
 *
 * @example
 * ```ts
 * import { close, openat, read, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(openat({ path: "/proc/version" }));
 * console.log(await ring.run(read({ fd, buffer: new Uint8Array(5), offset: 0 }))); // 5
 * await ring.run(close({ fd }));
 * ```
 */
export const openat = (options: OpenatOptions): Operation<number> => new Operation(OPENAT, options);

/**
 * Opens a file into a slot of the ring's file table: `IORING_OP_OPENAT` with a direct descriptor, since 5.15 (`"any"`: 5.19); as
 * `openat(2)`. Resolves to the {@link FixedFile}. Needs `fixedFiles` on the ring.
 *
 * Errors: as {@link openat}; ENXIO (a slot and no table), ENFILE (`"any"`, and the table is full or missing). An error severs a soft
 * link. The path is copied at submission.
 *
 * @example
 * ```ts
 * import { closeDirect, openatDirect, read, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
 * const file = await ring.run(openatDirect({ path: "/proc/version", slot: "any" }));
 * console.log(await ring.run(read({ fd: file, buffer: new Uint8Array(8), offset: 0 }))); // 8
 * await ring.run(closeDirect({ slot: file }));
 * ```
 */
export const openatDirect = (options: OpenatDirectOptions): Operation<FixedFile> => new Operation(OPENAT_DIRECT, options);

export const CLOSE = declare({
  name: "close",
  opcode: IORING_OP_CLOSE,
  syscall: "close(2)",
  since: "5.6",
  completions: "one",
  severs: true,
  options: ["fd"],
  raw(slot: number, fd: number, fileIndex: number) {
    this.prep(IORING_OP_CLOSE, slot, fd, 0, 0, 0, 0, 0, fileIndex, 0);
  },
  lower: (o: { fd: Fd }, l) => [l.descriptor("fd", o.fd), 0],
  result: count,
});

export const CLOSE_DIRECT = declare({
  name: "closeDirect",
  opcode: IORING_OP_CLOSE,
  syscall: "close(2)",
  since: "5.15",
  completions: "one",
  severs: true,
  options: ["slot"],
  raw: CLOSE.raw,
  lower: (o: { slot: FixedFile }, l) => [0, l.slot("slot", o.slot) + 1],
  result: count,
});

/**
 * Closes a descriptor: `IORING_OP_CLOSE`, since 5.6; as `close(2)`. Resolves to 0.
 *
 * Errors: EBADF (also for a ring's descriptor). An error severs a soft link. No memory is used.
 *
 * @example
 * ```ts
 * import { openSync } from "node:fs";
 * import { close, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * console.log(await ring.run(close({ fd: openSync("/proc/version", "r") }))); // 0
 * ```
 */
export const close = (options: { fd: Fd }): Operation<number> => new Operation(CLOSE, options);

/**
 * Empties a slot of the ring's file table: `IORING_OP_CLOSE` of a direct descriptor, since 5.15. Resolves to 0. As `close(2)` of the
 * table's reference.
 *
 * Errors: EBADF (the slot is empty), ENXIO (there is no table). An error severs a soft link. No memory is used.
 *
 * @example
 * ```ts
 * import { closeDirect, openatDirect, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8, fixedFiles: 1 });
 * const slot = await ring.run(openatDirect({ path: "/proc/version", slot: "any" }));
 * console.log(await ring.run(closeDirect({ slot }))); // 0
 * ```
 */
export const closeDirect = (options: { slot: FixedFile }): Operation<number> => new Operation(CLOSE_DIRECT, options);
