import { IORING_OP_STATX } from "../abi.ts";
import { AT_EMPTY_PATH, STATX_BASIC_STATS, STATX_BTIME } from "../file-constants.ts";
import type { Fd } from "../handles.ts";
import { statx_struct } from "../linux-structs.ts";
import { declare, Operation } from "../operation.ts";
import { decodeStatx, type Stat } from "../stat.ts";

/** Options of {@link statx}. */
export interface StatxOptions {
  /** The file's path, relative ones from `dirfd`; left out: the file that `dirfd` itself is. */
  path?: string;
  /** Directory that a relative path starts from, default the working directory; or an open file of any kind. */
  dirfd?: Fd;
  /** `AT_*`: AT_SYMLINK_NOFOLLOW, AT_STATX_DONT_SYNC ... */
  flags?: number;
  /** `STATX_*`: what is asked for; default the basics and the time of birth. What was given is in the result's `mask`. */
  mask?: number;
}

export const STATX = declare({
  name: "statx",
  opcode: IORING_OP_STATX,
  syscall: "statx(2)",
  since: "5.6",
  completions: "one",
  options: ["path", "dirfd", "flags", "mask"],
  raw(slot: number, dirfd: number, path: number, flags: number, mask: number, statx: number) {
    this.prep(IORING_OP_STATX, slot, dirfd, statx, path, mask, flags, 0, 0, 0);
  },
  lower(o: StatxOptions, l) {
    if (o.path === undefined && o.dirfd === undefined) throw new TypeError("statx: give it a path, or an open file as dirfd");
    return [
      l.directory("dirfd", o.dirfd),
      l.text("path", o.path === undefined ? "" : o.path),
      l.word("flags", o.flags) | (o.path === undefined ? AT_EMPTY_PATH : 0),
      l.word("mask", o.mask, STATX_BASIC_STATS | STATX_BTIME),
      l.allocate(statx_struct.size),
    ];
  },
  result: (_result, _flags, _o, l): Stat => decodeStatx(l.output),
});

/**
 * What a file is: `IORING_OP_STATX`, since 5.6; as `statx(2)`. Resolves to a {@link Stat}. Always done by a worker thread of the kernel.
 *
 * Errors: ENOENT, ENOTDIR, EACCES, ELOOP, EBADF (`dirfd`), EINVAL (flags, mask). **A failure does not sever a kernel link.** The path
 * is copied at submission, the result's memory is the operation's own.
 *
 * @example
 * ```ts
 * import { Ring, statx } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const { type, links, modified } = await ring.run(statx({ path: "/etc" }));
 * console.log(type, links > 1, modified.toDate() < new Date()); // directory true true
 * ```
 */
export const statx = (options: StatxOptions): Operation<Stat> => new Operation(STATX, options);
