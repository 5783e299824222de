import { UBLK_F_UNPRIVILEGED_DEV } from "./abi.ts";
import { type DataMode, type ModeInfo, modeInfo } from "./data-mode.ts";
import type { CheckedGeometry } from "./geometry.ts";
import { checkFeature } from "./lacking.ts";
import { isAdmin } from "./privilege.ts";
import type { Recovery } from "./recovery.ts";
import type { ServeOptions } from "./serve-options.ts";

/** The data modes of a disk without root's rights: the kernel alone moves its data, and always all of it. */
export type UnprivilegedMode = Extract<DataMode, "copy" | "need-get-data">;

/**
 * Options of {@link serve} for a disk of a user without root's rights (`UBLK_F_UNPRIVILEGED_DEV`, Linux 6.3): those of any disk, less what the
 * kernel denies to it. It lends no pages and has no copies by the server, for a server that left a READ's buffer unfilled would show its clients
 * the kernel's memory; and it goes with its server.
 *
 * The administrator must have allowed it: `docs/admin.md` has the rules for udev. The kernel looks for no partitions on the disk, only the very
 * user and group that made it and root can open it, and **a request that is open for longer than the disk's time limit** (30 s, unless
 * `/sys/block/ublkbN/queue/io_timeout` says otherwise) **ends the server by SIGKILL**: at half of that a `slow` event warns.
 *
 * @example
 * ```ts
 * import { serve, type UnprivilegedOptions } from "uring-ublk";
 * const options: UnprivilegedOptions<never> = { unprivileged: true, mode: "copy" };
 * if (process.getuid?.() !== 0) {
 *   await using disk = await serve({ size: "1 MiB", read: (buffer) => void buffer.fill(0) }, options);
 *   console.log(disk.path); // and the user may open it
 * }
 * ```
 */
export interface UnprivilegedOptions<Options = unknown>
  extends Omit<ServeOptions<Options>, "unprivileged" | "mode" | "registration" | "recovery"> {
  /** A disk for the user that this process runs as, who is not root. */
  unprivileged: true;
  /** Default `"copy"`. */
  mode?: UnprivilegedMode;
  /** The disk goes with its server. */
  recovery?: "none";
}

/** Whether a disk without root's rights can have the mode. */
export const allowsMode = ({ name }: ModeInfo): boolean => name === "copy" || name === "need-get-data";

/** What is said of the modes that it cannot have. */
export const DENIED = "the kernel denies it to unprivileged disks";

/** What of the options concerns a disk without root's rights. */
interface Asked {
  readonly unprivileged: boolean;
  readonly mode: DataMode | undefined;
  readonly recovery: Recovery;
}

/** Refuses options that the kernel would refuse, or drop without a word, before anything is made. */
export function checkUnprivilegedOptions({ unprivileged, mode, recovery }: Asked): void {
  if (!unprivileged) return;
  if (mode !== undefined && !allowsMode(modeInfo(mode)))
    throw new TypeError(
      `serve: unprivileged is true and mode is '${mode}', and ${DENIED}; leave mode out, or use 'copy' or 'need-get-data'`,
    );
  if (recovery !== "none")
    throw new TypeError(
      `serve: unprivileged is true and recovery is '${recovery}', and an unprivileged disk goes with its server; leave recovery out`,
    );
}

/** Refuses a disk that no user may have, and a caller who would get another one. */
export function checkUnprivileged(unprivileged: boolean, { integrity, zoned }: CheckedGeometry, features: number): void {
  if (!unprivileged) return;
  checkFeature("unprivileged: true", UBLK_F_UNPRIVILEGED_DEV, features, ". Leave unprivileged out, and be root");
  for (const [kind, given] of Object.entries({ zoned, integrity }))
    if (given !== undefined)
      throw new TypeError(
        `serve: unprivileged is true and the target has ${kind}, and ${DENIED}; leave ${kind} out of the target, or serve it as root`,
      );
  if (isAdmin())
    throw new TypeError(
      "serve: unprivileged is true, but this process has CAP_SYS_ADMIN, whose disks the kernel makes privileged ones; leave unprivileged out, or serve as the user whose disk it is to be",
    );
}
