import { checkBoolean, checkInteger, checkKnown } from "../uring/options.ts";
import { TIMER_MAX } from "./limits.ts";

/** Options of {@link UblkDevice.stop}. */
export interface StopOptions {
  /** How long requests that a target holds may still be answered, in milliseconds; then they get EIO. Default 5000. */
  grace?: number;
  /**
   * Only a disk that nobody uses is stopped (TRY_STOP_DEV, Linux 7.0): while it is mounted, open or below another device, the stop is refused with
   * EBUSY, and the disk is served on. udev, which looks at disks for a moment, is waited for. Default false.
   */
  ifUnused?: boolean;
}

/** How long requests that a target holds may still be answered. */
export const GRACE_MS = 5_000;

/** Checks the options of a stop. */
export function checkStop(options: StopOptions): Required<StopOptions> {
  checkKnown("stop", options, ["grace", "ifUnused"]);
  const { grace, ifUnused } = options;
  return {
    grace: grace === undefined ? GRACE_MS : checkInteger("stop", "grace", grace, 0, TIMER_MAX, "milliseconds"),
    ifUnused: ifUnused === undefined ? false : checkBoolean("stop", "ifUnused", ifUnused),
  };
}
