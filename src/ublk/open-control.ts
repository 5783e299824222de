import { existsSync } from "node:fs";
import { O_RDWR, SystemError, sys } from "../ffi/index.ts";
import { UblkError } from "./error.ts";

/** Where control commands go. */
export const CONTROL_PATH = "/dev/ublk-control";

/** Opens the control device; what is missing is said in words. */
export function openControl(): number {
  try {
    return sys.open(CONTROL_PATH, O_RDWR);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const hint =
      error.code === "ENOENT"
        ? existsSync("/sys/module/ublk_drv")
          ? "the ublk module is loaded but its node is missing: is devtmpfs mounted on /dev?"
          : "the ublk driver is not loaded: run `modprobe ublk_drv`; if there is no such module, this kernel has no ublk (CONFIG_BLK_DEV_UBLK)"
        : error.code === "EACCES" || error.code === "EPERM"
          ? "ublk needs root: run as root; or have the administrator allow disks of users (docs/admin.md)"
          : undefined;
    throw new UblkError({
      command: "open",
      subject: CONTROL_PATH,
      errno: error.errno,
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
