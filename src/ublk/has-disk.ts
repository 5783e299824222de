import { kernelIsAtLeast } from "../uring/kernel-release.ts";
import type { UblkControl } from "./control.ts";
import type { CommandOptions } from "./control-options.ts";
import { UblkError } from "./error.ts";

const ENODEV = -19;

/**
 * Refuses a new size for a device without a disk. Drivers do so themselves, except that Linux 6.18 looks into the disk that is not there, which
 * ends in an oops and locks that nobody gives back (UPDATE_SIZE is of 6.16; 7.2 and 7.3 are fine; those in between have not been tried).
 */
export async function checkHasDisk(control: UblkControl, device: number, options?: CommandOptions): Promise<void> {
  if (kernelIsAtLeast("7.2")) return;
  const { state } = await control.getDeviceInfo(device, options);
  if (state === "dead") throw new UblkError({ command: "UPDATE_SIZE", device, errno: ENODEV });
}
