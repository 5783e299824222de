import type { UblkControl } from "./control.ts";
import { UblkError } from "./error.ts";
import { holdersOf, isPassing } from "./holders.ts";

/** How long those who only pass by are waited for. */
const PATIENCE_MS = 5_000;
const POLL_MS = 20;

/**
 * TRY_STOP_DEV, again while nobody but udev is there: it looks at every disk that is new or was written to, and counts as one who uses it.
 *
 * @throws UblkError EBUSY: somebody uses the disk.
 */
export async function tryStop(control: UblkControl, id: number): Promise<void> {
  for (const until = performance.now() + PATIENCE_MS; ; await Bun.sleep(POLL_MS)) {
    try {
      return await control.tryStopDevice(id);
    } catch (error) {
      if (!(error instanceof UblkError) || error.code !== "EBUSY" || performance.now() > until) throw error;
      if (!holdersOf(id).every(isPassing)) throw error;
    }
  }
}
