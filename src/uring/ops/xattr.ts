import type { Memory } from "../../ffi/index.ts";
import { IORING_OP_FGETXATTR, IORING_OP_FSETXATTR, IORING_OP_GETXATTR, IORING_OP_SETXATTR } from "../abi.ts";
import type { Fd, FixedFile } from "../handles.ts";
import { count, declare, Operation } from "../operation.ts";

/** Options of {@link getxattr}. */
export interface GetxattrOptions {
  /** The file's path, relative ones from the working directory; symbolic links are followed. */
  path: string;
  /** The attribute's name with its space: `"user.comment"`. */
  name: string;
  /** Filled with the value; of no length at all, to ask how long the value is. */
  buffer: Memory;
}
/** Options of {@link fgetxattr}. */
export interface FgetxattrOptions extends Omit<GetxattrOptions, "path"> {
  /** The file: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
}
/** Options of {@link setxattr}. */
export interface SetxattrOptions {
  /** The file's path, relative ones from the working directory; symbolic links are followed. */
  path: string;
  /** The attribute's name with its space: `"user.comment"`. */
  name: string;
  /** The new value. */
  value: Memory;
  /** XATTR_CREATE or XATTR_REPLACE; default either. */
  flags?: number;
}
/** Options of {@link fsetxattr}. */
export interface FsetxattrOptions extends Omit<SetxattrOptions, "path"> {
  /** The file: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
}

const HINTS = {
  ENODATA: "the file has no attribute of that name",
  ERANGE: "the buffer is too small for the value: a buffer of no length asks for its size",
  EOPNOTSUPP: "the file system has no extended attributes, or not of this name space ('user.', 'trusted.' ...)",
} as const;

export const GETXATTR = declare({
  name: "getxattr",
  opcode: IORING_OP_GETXATTR,
  syscall: "getxattr(2)",
  since: "5.19",
  completions: "one",
  options: ["path", "name", "buffer"],
  hints: HINTS,
  raw(slot: number, name: number, value: number, path: number, length: number) {
    this.prep(IORING_OP_GETXATTR, slot, 0, value, name, length, 0, 0, 0, path);
  },
  lower: (o: GetxattrOptions, l) => [l.text("name", o.name), l.data("buffer", o.buffer), l.text("path", o.path), o.buffer.byteLength],
  result: count,
});

export const FGETXATTR = declare({
  name: "fgetxattr",
  opcode: IORING_OP_FGETXATTR,
  syscall: "fgetxattr(2)",
  since: "5.19",
  completions: "one",
  options: ["fd", "name", "buffer"],
  hints: HINTS,
  raw(slot: number, fd: number, name: number, value: number, length: number) {
    this.prep(IORING_OP_FGETXATTR, slot, fd, value, name, length, 0, 0, 0, 0);
  },
  lower: (o: FgetxattrOptions, l) => [l.file(o.fd), l.text("name", o.name), l.data("buffer", o.buffer), o.buffer.byteLength],
  result: count,
});

export const SETXATTR = declare({
  name: "setxattr",
  opcode: IORING_OP_SETXATTR,
  syscall: "setxattr(2)",
  since: "5.19",
  completions: "one",
  options: ["path", "name", "value", "flags"],
  hints: HINTS,
  raw(slot: number, name: number, value: number, path: number, flags: number, length: number) {
    this.prep(IORING_OP_SETXATTR, slot, 0, value, name, length, flags, 0, 0, path);
  },
  lower: (o: SetxattrOptions, l) => [
    l.text("name", o.name),
    l.data("value", o.value),
    l.text("path", o.path),
    l.word("flags", o.flags),
    o.value.byteLength,
  ],
  result: count,
});

export const FSETXATTR = declare({
  name: "fsetxattr",
  opcode: IORING_OP_FSETXATTR,
  syscall: "fsetxattr(2)",
  since: "5.19",
  completions: "one",
  options: ["fd", "name", "value", "flags"],
  hints: HINTS,
  raw(slot: number, fd: number, name: number, value: number, flags: number, length: number) {
    this.prep(IORING_OP_FSETXATTR, slot, fd, value, name, length, flags, 0, 0, 0);
  },
  lower: (o: FsetxattrOptions, l) => [
    l.file(o.fd),
    l.text("name", o.name),
    l.data("value", o.value),
    l.word("flags", o.flags),
    o.value.byteLength,
  ],
  result: count,
});

/**
 * Reads an extended attribute of a file by path: `IORING_OP_GETXATTR`, since 5.19; as `getxattr(2)`. Resolves to the value's length.
 *
 * Errors: ENODATA (no such attribute), ERANGE (buffer too small), EOPNOTSUPP (file system), ENOENT, EACCES. **A failure does not sever a
 * kernel link.** The buffer is pinned until the CQE; name and path are copied at submission.
 *
 * @example
 * ```ts
 * import { getxattr, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const got = await ring.settle(getxattr({ path: "/proc/self", name: "user.none", buffer: new Uint8Array(64) }));
 * console.log(got.status); // failed
 * ```
 */
export const getxattr = (options: GetxattrOptions): Operation<number> => new Operation(GETXATTR, options);

/**
 * Reads an extended attribute of an open file: `IORING_OP_FGETXATTR`, since 5.19; as `fgetxattr(2)`. Resolves to the value's length.
 *
 * Errors: as {@link getxattr}; EBADF. **A failure does not sever a kernel link.** The buffer is pinned until the CQE; the name is copied
 * at submission.
 *
 * @example
 * ```ts
 * import { fgetxattr, Ring } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = sys.open("/proc/version", 0);
 * const got = await ring.settle(fgetxattr({ fd, name: "user.none", buffer: new Uint8Array(64) }));
 * console.log(got.status); // failed
 * sys.close(fd);
 * ```
 */
export const fgetxattr = (options: FgetxattrOptions): Operation<number> => new Operation(FGETXATTR, options);

/**
 * Sets an extended attribute of a file by path: `IORING_OP_SETXATTR`, since 5.19; as `setxattr(2)`. Resolves to 0.
 *
 * Errors: EEXIST (XATTR_CREATE), ENODATA (XATTR_REPLACE), EOPNOTSUPP (file system or name space), ENOSPC, E2BIG, EPERM. **A failure does
 * not sever a kernel link.** Value, name and path are copied at submission; the value is pinned until the CQE all the same.
 *
 * @example
 * ```ts
 * import { writeFileSync, unlinkSync } from "node:fs";
 * import { getxattr, Ring, setxattr } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const path = `/var/tmp/uring-ublk-xattr-${process.pid}`;
 * writeFileSync(path, "");
 * const set = await ring.settle(setxattr({ path, name: "user.note", value: new TextEncoder().encode("hi") }));
 * const buffer = new Uint8Array(16);
 * // Not every file system has them.
 * console.log(set.status === "fulfilled" ? await ring.run(getxattr({ path, name: "user.note", buffer })) : 2); // 2
 * unlinkSync(path);
 * ```
 */
export const setxattr = (options: SetxattrOptions): Operation<number> => new Operation(SETXATTR, options);

/**
 * Sets an extended attribute of an open file: `IORING_OP_FSETXATTR`, since 5.19; as `fsetxattr(2)`. Resolves to 0.
 *
 * Errors: as {@link setxattr}; EBADF. **A failure does not sever a kernel link.** Value and name are copied at submission; the value is
 * pinned until the CQE all the same.
 *
 * @example
 * ```ts
 * import { unlinkSync } from "node:fs";
 * import { fsetxattr, Ring } from "uring-ublk";
 * import { O_CREAT, O_RDWR, sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const path = `/var/tmp/uring-ublk-fxattr-${process.pid}`;
 * const fd = sys.open(path, O_RDWR | O_CREAT);
 * const set = await ring.settle(fsetxattr({ fd, name: "user.note", value: new TextEncoder().encode("hi") }));
 * console.log(["fulfilled", "failed"].includes(set.status)); // true
 * sys.close(fd);
 * unlinkSync(path);
 * ```
 */
export const fsetxattr = (options: FsetxattrOptions): Operation<number> => new Operation(FSETXATTR, options);
