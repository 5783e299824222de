import { sys } from "../../ffi/index.ts";
import { IORING_OP_OPENAT2 } from "../abi.ts";
import { O_CLOEXEC, O_CREAT, O_TMPFILE } from "../file-constants.ts";
import type { DirectSlot, Fd, FixedFile } from "../handles.ts";
import { open_how } from "../linux-structs.ts";
import type { Lowering } from "../lowering.ts";
import { count, declare, Operation } from "../operation.ts";
import { emptySlot, filled, TABLE_HINTS } from "./descriptors.ts";

/** Options of {@link openat2}. */
export interface Openat2Options {
  /** The file's path, relative ones from `dirfd`. */
  path: string;
  /** `O_*`; default O_RDONLY. A plain descriptor gets O_CLOEXEC as well. Flags that the kernel does not know are refused. */
  flags?: number;
  /** Permission bits of a file that is created, only with O_CREAT or O_TMPFILE; default 0o666 there. */
  mode?: number;
  /** `RESOLVE_*`: what the path may lead through. */
  resolve?: number;
  /** Directory that a relative path starts from; default the working directory. */
  dirfd?: Fd;
}
/** Options of {@link openat2Direct}. */
export interface Openat2DirectOptions extends Openat2Options {
  /** Where in the ring's file table; `"any"` lets the kernel choose (5.19). */
  slot: DirectSlot;
}

type Arguments = [dirfd: number, path: number, how: number, fileIndex: number];

function lowerOpen(o: Openat2Options, flags: number, fileIndex: number, l: Lowering): Arguments {
  const creates = (flags & O_CREAT) !== 0 || (flags & O_TMPFILE) === O_TMPFILE;
  const how = open_how.build({
    flags: l.word("flags", flags >>> 0),
    mode: l.word("mode", o.mode, creates ? 0o666 : 0),
    resolve: l.word("resolve", o.resolve),
  });
  return [l.directory("dirfd", o.dirfd), l.text("path", o.path), l.memory(how), fileIndex];
}

export const OPENAT2 = declare({
  name: "openat2",
  opcode: IORING_OP_OPENAT2,
  syscall: "openat2(2)",
  since: "5.6",
  completions: "one",
  severs: true,
  options: ["path", "flags", "mode", "resolve", "dirfd"],
  raw(slot: number, dirfd: number, path: number, how: number, fileIndex: number) {
    this.prep(IORING_OP_OPENAT2, slot, dirfd, how, path, open_how.size, 0, 0, fileIndex, 0);
  },
  lower: (o: Openat2Options, l) => lowerOpen(o, l.word("flags", o.flags) | O_CLOEXEC, 0, l),
  result: count,
  discard: (fd) => sys.close(fd),
});

export const OPENAT2_DIRECT = declare({
  name: "openat2Direct",
  opcode: IORING_OP_OPENAT2,
  syscall: "openat2(2)",
  since: "5.15",
  completions: "one",
  severs: true,
  options: ["path", "flags", "mode", "resolve", "dirfd", "slot"],
  hints: TABLE_HINTS,
  raw: OPENAT2.raw,
  // A table slot has no descriptor flags: the kernel refuses O_CLOEXEC with one.
  lower: (o: Openat2DirectOptions, l) => lowerOpen(o, l.word("flags", o.flags) & ~O_CLOEXEC, l.place(o.slot), l),
  result: (result: number, _flags: number, o: Openat2DirectOptions): FixedFile => filled(o.slot, result),
  discard: (result, _flags, o, ring) => emptySlot(filled(o.slot, result).slot, ring),
});

/**
 * Opens a file and bounds what its path may lead through: `IORING_OP_OPENAT2`, since 5.6; as `openat2(2)`. Resolves to the descriptor,
 * which the caller closes.
 *
 * Errors: ENOENT, EACCES, EMFILE and the others of openat(2); EXDEV (the path leaves the directory of RESOLVE_BENEATH or the mount),
 * ELOOP (a link that RESOLVE_NO_SYMLINKS forbids), EAGAIN (RESOLVE_CACHED, and it takes the disk), EINVAL (flags, or a mode and nothing is
 * created). An error severs a soft link. The path is copied at submission.
 *
 * @example
 * ```ts
 * import { openat2, RESOLVE_BENEATH, Ring } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const dirfd = sys.open("/etc", 0);
 * const outside = await ring.settle(openat2({ path: "../proc/version", dirfd, resolve: RESOLVE_BENEATH }));
 * console.log(outside.status, String((outside as { reason?: unknown }).reason).includes("EXDEV")); // failed true
 * sys.close(dirfd);
 * ```
 */
export const openat2 = (options: Openat2Options): Operation<number> => new Operation(OPENAT2, options);

/**
 * Opens a file into a slot of the ring's file table: `IORING_OP_OPENAT2` with a direct descriptor, since 5.15. As {@link openat2};
 * resolves to the {@link FixedFile}. Needs `fixedFiles` on the ring. Errors: also ENXIO, ENFILE (no table, or no room in it). An error
 * severs a soft link. The path is copied at submission.
 *
 * @example
 * ```ts
 * import { closeDirect, openat2Direct, read, RESOLVE_NO_SYMLINKS, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
 * const file = await ring.run(openat2Direct({ path: "/proc/version", resolve: RESOLVE_NO_SYMLINKS, slot: "any" }));
 * console.log(await ring.run(read({ fd: file, buffer: new Uint8Array(8), offset: 0 }))); // 8
 * await ring.run(closeDirect({ slot: file }));
 * ```
 */
export const openat2Direct = (options: Openat2DirectOptions): Operation<FixedFile> => new Operation(OPENAT2_DIRECT, options);
