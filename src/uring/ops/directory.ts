import { IORING_OP_LINKAT, IORING_OP_MKDIRAT, IORING_OP_RENAMEAT, IORING_OP_SYMLINKAT, IORING_OP_UNLINKAT } from "../abi.ts";
import type { Fd } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { count, declare, Operation } from "../operation.ts";

/** Options of {@link renameat} and {@link linkat}: two paths. */
export interface TwoPathsOptions {
  /** The path that is there, relative ones from `oldDirfd`. */
  oldPath: string;
  /** The path that will be there, relative ones from `newDirfd`. */
  newPath: string;
  /** Directory that a relative `oldPath` starts from; default the working directory. */
  oldDirfd?: Fd;
  /** Directory that a relative `newPath` starts from; default the working directory. */
  newDirfd?: Fd;
  /** For renameat `RENAME_*`, for linkat AT_SYMLINK_FOLLOW and AT_EMPTY_PATH. */
  flags?: number;
}
/** Options of {@link unlinkat}. */
export interface UnlinkatOptions {
  /** What goes, relative paths from `dirfd`. */
  path: string;
  /** Directory that a relative path starts from; default the working directory. */
  dirfd?: Fd;
  /** AT_REMOVEDIR removes an empty directory. */
  flags?: number;
}
/** Options of {@link mkdirat}. */
export interface MkdiratOptions {
  /** The new directory, relative paths from `dirfd`. */
  path: string;
  /** Permission bits, less the umask; default 0o777. */
  mode?: number;
  /** Directory that a relative path starts from; default the working directory. */
  dirfd?: Fd;
}
/** Options of {@link symlinkat}. */
export interface SymlinkatOptions {
  /** What the link says; it need not exist. */
  target: string;
  /** The new link, relative paths from `dirfd`. */
  path: string;
  /** Directory that a relative `path` starts from; default the working directory. */
  dirfd?: Fd;
}

const TWO_PATHS = ["oldPath", "newPath", "oldDirfd", "newDirfd", "flags"] as const;

function lowerTwo(o: TwoPathsOptions, l: Lowering): [number, number, number, number, number] {
  return [
    l.directory("oldDirfd", o.oldDirfd),
    l.text("oldPath", o.oldPath),
    l.directory("newDirfd", o.newDirfd),
    l.text("newPath", o.newPath),
    l.word("flags", o.flags),
  ];
}

export const RENAMEAT = declare({
  name: "renameat",
  opcode: IORING_OP_RENAMEAT,
  syscall: "renameat2(2)",
  since: "5.11",
  completions: "one",
  options: TWO_PATHS,
  raw(slot: number, oldDirfd: number, oldPath: number, newDirfd: number, newPath: number, flags: number) {
    this.prep(IORING_OP_RENAMEAT, slot, oldDirfd, newPath, oldPath, newDirfd, flags, 0, 0, 0);
  },
  lower: lowerTwo,
  result: count,
});

export const LINKAT = declare({
  name: "linkat",
  opcode: IORING_OP_LINKAT,
  syscall: "linkat(2)",
  since: "5.15",
  completions: "one",
  options: TWO_PATHS,
  raw(slot: number, oldDirfd: number, oldPath: number, newDirfd: number, newPath: number, flags: number) {
    this.prep(IORING_OP_LINKAT, slot, oldDirfd, newPath, oldPath, newDirfd, flags, 0, 0, 0);
  },
  lower: lowerTwo,
  result: count,
});

export const UNLINKAT = declare({
  name: "unlinkat",
  opcode: IORING_OP_UNLINKAT,
  syscall: "unlinkat(2)",
  since: "5.11",
  completions: "one",
  options: ["path", "dirfd", "flags"],
  raw(slot: number, dirfd: number, path: number, flags: number) {
    this.prep(IORING_OP_UNLINKAT, slot, dirfd, 0, path, 0, flags, 0, 0, 0);
  },
  lower: (o: UnlinkatOptions, l) => [l.directory("dirfd", o.dirfd), l.text("path", o.path), l.word("flags", o.flags)],
  result: count,
});

export const MKDIRAT = declare({
  name: "mkdirat",
  opcode: IORING_OP_MKDIRAT,
  syscall: "mkdirat(2)",
  since: "5.15",
  completions: "one",
  options: ["path", "mode", "dirfd"],
  raw(slot: number, dirfd: number, path: number, mode: number) {
    this.prep(IORING_OP_MKDIRAT, slot, dirfd, 0, path, mode, 0, 0, 0, 0);
  },
  lower: (o: MkdiratOptions, l) => [l.directory("dirfd", o.dirfd), l.text("path", o.path), l.word("mode", o.mode, 0o777)],
  result: count,
});

export const SYMLINKAT = declare({
  name: "symlinkat",
  opcode: IORING_OP_SYMLINKAT,
  syscall: "symlinkat(2)",
  since: "5.15",
  completions: "one",
  options: ["target", "path", "dirfd"],
  raw(slot: number, target: number, dirfd: number, path: number) {
    this.prep(IORING_OP_SYMLINKAT, slot, dirfd, path, target, 0, 0, 0, 0, 0);
  },
  lower: (o: SymlinkatOptions, l) => [l.text("target", o.target), l.directory("dirfd", o.dirfd), l.text("path", o.path)],
  result: count,
});

/**
 * Renames or moves a file: `IORING_OP_RENAMEAT`, since 5.11; as `renameat2(2)`. Resolves to 0; a file of the new name is replaced in one
 * step.
 *
 * Errors: ENOENT, EEXIST (RENAME_NOREPLACE), EXDEV (another file system), ENOTEMPTY, EISDIR, EACCES, EINVAL (flags the file system has
 * not). **A failure does not sever a kernel link.** The paths are copied at submission.
 *
 * @example
 * ```ts
 * import { openat, O_CREAT, renameat, RENAME_NOREPLACE, Ring, unlinkat } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const path = `/tmp/uring-ublk-rename-${process.pid}`;
 * sys.close(await ring.run(openat({ path, flags: O_CREAT })));
 * console.log(await ring.run(renameat({ oldPath: path, newPath: `${path}.new`, flags: RENAME_NOREPLACE }))); // 0
 * await ring.run(unlinkat({ path: `${path}.new` }));
 * ```
 */
export const renameat = (options: TwoPathsOptions): Operation<number> => new Operation(RENAMEAT, options);

/**
 * Gives a file another name (a hard link): `IORING_OP_LINKAT`, since 5.15; as `linkat(2)`. Resolves to 0.
 *
 * Errors: EEXIST, ENOENT, EXDEV (another file system), EPERM (a directory, or links are forbidden), EMLINK. **A failure does not sever a
 * kernel link.** The paths are copied at submission.
 *
 * @example
 * ```ts
 * import { linkat, O_CREAT, openat, Ring, statx, unlinkat } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const path = `/tmp/uring-ublk-link-${process.pid}`;
 * sys.close(await ring.run(openat({ path, flags: O_CREAT })));
 * await ring.run(linkat({ oldPath: path, newPath: `${path}.too` }));
 * console.log((await ring.run(statx({ path }))).links); // 2
 * await ring.run(unlinkat({ path }));
 * await ring.run(unlinkat({ path: `${path}.too` }));
 * ```
 */
export const linkat = (options: TwoPathsOptions): Operation<number> => new Operation(LINKAT, options);

/**
 * Removes a file, or with AT_REMOVEDIR an empty directory: `IORING_OP_UNLINKAT`, since 5.11; as `unlinkat(2)`. Resolves to 0.
 *
 * Errors: ENOENT, EISDIR (a directory without AT_REMOVEDIR), ENOTEMPTY, EACCES, EBUSY. **A failure does not sever a kernel link.** The
 * path is copied at submission.
 *
 * @example
 * ```ts
 * import { AT_REMOVEDIR, mkdirat, Ring, unlinkat } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const path = `/tmp/uring-ublk-unlink-${process.pid}`;
 * await ring.run(mkdirat({ path }));
 * console.log(await ring.run(unlinkat({ path, flags: AT_REMOVEDIR }))); // 0
 * ```
 */
export const unlinkat = (options: UnlinkatOptions): Operation<number> => new Operation(UNLINKAT, options);

/**
 * Makes a directory: `IORING_OP_MKDIRAT`, since 5.15; as `mkdirat(2)`. Resolves to 0.
 *
 * Errors: EEXIST, ENOENT (of its parents), EACCES, ENOSPC. **A failure does not sever a kernel link.** The path is copied at submission.
 *
 * @example
 * ```ts
 * import { AT_REMOVEDIR, mkdirat, Ring, statx, unlinkat } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const path = `/tmp/uring-ublk-mkdir-${process.pid}`;
 * await ring.run(mkdirat({ path, mode: 0o700 }));
 * console.log((await ring.run(statx({ path }))).type); // directory
 * await ring.run(unlinkat({ path, flags: AT_REMOVEDIR }));
 * ```
 */
export const mkdirat = (options: MkdiratOptions): Operation<number> => new Operation(MKDIRAT, options);

/**
 * Makes a symbolic link: `IORING_OP_SYMLINKAT`, since 5.15; as `symlinkat(2)`. Resolves to 0.
 *
 * Errors: EEXIST, ENOENT (of its parents), EACCES, ENOSPC. **A failure does not sever a kernel link.** Both texts are copied at
 * submission.
 *
 * @example
 * ```ts
 * import { AT_SYMLINK_NOFOLLOW, Ring, statx, symlinkat, unlinkat } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const path = `/tmp/uring-ublk-symlink-${process.pid}`;
 * await ring.run(symlinkat({ target: "/no/such/file", path }));
 * console.log((await ring.run(statx({ path, flags: AT_SYMLINK_NOFOLLOW }))).type); // symlink
 * await ring.run(unlinkat({ path }));
 * ```
 */
export const symlinkat = (options: SymlinkatOptions): Operation<number> => new Operation(SYMLINKAT, options);
