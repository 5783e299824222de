import { UBLK_F_SAFE_STOP_DEV } from "./abi.ts";
import { askOutside } from "./ask-outside.ts";
import type { UblkControl } from "./control.ts";
import { UblkError } from "./error.ts";
import { holdersInWords, holdersOf } from "./holders.ts";
import { lacking } from "./lacking.ts";
import { hasOutside } from "./outside.ts";
import { tryStop } from "./try-stop.ts";

const EBUSY = -16;
const EOPNOTSUPP = -95;

/**
 * TRY_STOP_DEV for a device that this very process serves, from a child process as STOP_DEV is.
 *
 * @throws UblkError EBUSY: somebody uses the disk, and the message says who; it is served on. EOPNOTSUPP: before Linux 7.0.
 */
export async function stopUnused(control: UblkControl, id: number, limitMs: number): Promise<void> {
  if ((control.features & UBLK_F_SAFE_STOP_DEV) === 0)
    throw new UblkError({
      command: "TRY_STOP_DEV",
      device: id,
      errno: EOPNOTSUPP,
      hint: `stop: ifUnused: ${lacking(UBLK_F_SAFE_STOP_DEV, control.features)}. holdersOf(${id}) says who uses the disk, and stop() stops it all the same`,
    });
  try {
    if (hasOutside) await askOutside("TRY_STOP_DEV", id, { args: ["try"], limitMs });
    else await tryStop(control, id);
  } catch (error) {
    if (error instanceof UblkError && error.code === "EBUSY") throw inUse("TRY_STOP_DEV", id, EBUSY, "it is used by");
    throw error;
  }
}

/** What is refused because of those who use a device. */
export function inUse(command: string, id: number, errno: number, what: string): UblkError {
  const holders = holdersInWords(holdersOf(id));
  const who =
    holders === "" ? "somebody who cannot be seen: they have let go by now, or it is a ring of io_uring that has it open" : holders;
  return new UblkError({ command, device: id, errno, hint: `${what} ${who}` });
}
