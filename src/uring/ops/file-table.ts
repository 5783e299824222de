import { addressOf, sys } from "../../ffi/index.ts";
import {
  IORING_FILE_INDEX_ALLOC,
  IORING_FIXED_FD_NO_CLOEXEC,
  IORING_OP_FILES_UPDATE,
  IORING_OP_FIXED_FD_INSTALL,
  IORING_REGISTER_FILES_SKIP,
  IOSQE_FIXED_FILE,
} from "../abi.ts";
import { told } from "../error.ts";
import { type DirectSlot, type Fd, FixedFile } from "../handles.ts";
import { count, declare, Operation } from "../operation.ts";
import { checkBoolean, checkInteger } from "../options.ts";
import { emptySlot, TABLE_HINTS } from "./descriptors.ts";

/** Options of {@link fixedFdInstall}. */
export interface FixedFdInstallOptions {
  /** The slot of the ring's file table. */
  slot: FixedFile;
  /** Closes the descriptor on exec; default true. */
  cloexec?: boolean;
}

export const FIXED_FD_INSTALL = declare({
  name: "fixedFdInstall",
  opcode: IORING_OP_FIXED_FD_INSTALL,
  syscall: "dup(2)",
  since: "6.8",
  completions: "one",
  severs: true,
  options: ["slot", "cloexec"],
  raw(slot: number, fd: number, flags: number) {
    this.prep(IORING_OP_FIXED_FD_INSTALL, slot, fd, 0, 0, 0, flags, 0, 0, 0);
    this.setFlags(IOSQE_FIXED_FILE);
  },
  lower(o: FixedFdInstallOptions, l) {
    const cloexec = o.cloexec === undefined || checkBoolean(l.name, "cloexec", o.cloexec);
    return [l.slot("slot", o.slot), cloexec ? 0 : IORING_FIXED_FD_NO_CLOEXEC];
  },
  result: count,
  discard: (fd) => sys.close(fd),
});

/** Options of {@link filesUpdate}. */
export interface FilesUpdateOptions {
  /** The first slot, the others follow it; `"any"` lets the kernel choose a free one for each (5.19). */
  slot: DirectSlot;
  /** Descriptors, one at least. With a given slot -1 empties a slot, and -2 (`IORING_REGISTER_FILES_SKIP`) leaves it as it is. */
  fds: readonly Fd[];
}

/** The largest table that the kernel makes. */
const MOST_FILES = 1048576;

export const FILES_UPDATE = declare({
  name: "filesUpdate",
  opcode: IORING_OP_FILES_UPDATE,
  syscall: "none",
  since: "5.6",
  completions: "one",
  options: ["slot", "fds"],
  hints: {
    ...TABLE_HINTS,
    EINVAL: "the slots lie outside the ring's file table",
  },
  raw(slot: number, fds: number, fdCount: number, first: number) {
    this.prep(IORING_OP_FILES_UPDATE, slot, -1, first, fds, fdCount, 0, 0, 0, 0);
  },
  lower(o: FilesUpdateOptions, l) {
    const least = o.slot === "any" ? 0 : IORING_REGISTER_FILES_SKIP;
    l.allocate(l.list("fds", o.fds, MOST_FILES).length * 4);
    for (const [i, fd] of o.fds.entries()) l.output.setInt32(i * 4, checkInteger("filesUpdate", `fds[${i}]`, fd, least, 0x7fff_ffff), true);
    return [addressOf(l.output), o.fds.length, o.slot === "any" ? IORING_FILE_INDEX_ALLOC : l.place(o.slot) - 1];
  },
  result: (done: number, _flags: number, o: FilesUpdateOptions, l): FixedFile[] =>
    slots(done, o.slot, l.output).map((slot) => new FixedFile(slot)),
  discard(done, _flags, o, ring, l) {
    for (const slot of slots(done, o.slot, l.output)) emptySlot(slot, ring);
  },
});

// The kernel writes the slots it chose over the descriptors.
function slots(done: number, first: DirectSlot, output: DataView): number[] {
  return Array.from({ length: told("filesUpdate", done, output.byteLength / 4) }, (_, i) =>
    first === "any" ? output.getInt32(i * 4, true) : first.slot + i,
  );
}

/**
 * Makes an ordinary descriptor of a file in the ring's file table: `IORING_OP_FIXED_FD_INSTALL`, since 6.8; as `dup(2)`. Resolves to the
 * descriptor, which the caller closes; the slot keeps the file too.
 *
 * Errors: EBADF (the slot is empty), EMFILE. An error severs a soft link. No memory is used.
 *
 * @example
 * ```ts
 * import { close, fixedFdInstall, openatDirect, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
 * const slot = await ring.run(openatDirect({ path: "/proc/version", slot: "any" }));
 * const fd = await ring.run(fixedFdInstall({ slot }));
 * console.log(await ring.run(close({ fd }))); // 0
 * ```
 */
export const fixedFdInstall = (options: FixedFdInstallOptions): Operation<number> => new Operation(FIXED_FD_INSTALL, options);

/**
 * Puts files into the ring's file table: `IORING_OP_FILES_UPDATE`, since 5.6. Resolves to the slots that were changed: fewer than the
 * descriptors when one of them was refused. The table keeps the files open; the descriptors may be closed.
 *
 * Errors: ENXIO (no table), EINVAL (outside it), EBADF (the first descriptor), ENFILE (`"any"`, and the table is full). An error severs a soft
 * link; fewer slots do not. The list is the operation's own until the CQE.
 *
 * @example
 * ```ts
 * import { filesUpdate, read, Ring } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
 * const fd = sys.open("/proc/version", 0);
 * const [file] = await ring.run(filesUpdate({ slot: "any", fds: [fd] }));
 * sys.close(fd);
 * console.log(await ring.run(read({ fd: file!, buffer: new Uint8Array(5), offset: 0 }))); // 5
 * ```
 */
export const filesUpdate = (options: FilesUpdateOptions): Operation<FixedFile[]> => new Operation(FILES_UPDATE, options);
