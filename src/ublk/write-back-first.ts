import { askOutside } from "./ask-outside.ts";
import { UblkError } from "./error.ts";
import type { DeviceInfo } from "./info.ts";
import { hasOutside } from "./outside.ts";
import { dropsDirty } from "./recovery.ts";
import { inUse } from "./stop-unused.ts";

/**
 * Writes back what is dirty before a device is stopped for which STOP_DEV would drop it: one whose requests wait for a new server when theirs has
 * gone. A child process does it, with a time limit: it is this process that serves what is written.
 *
 * @throws UblkError ETIMEDOUT, and the message names who uses the disk: stopped now, it would lose what they have written.
 */
export async function writeBackFirst({ id, flags }: Pick<DeviceInfo, "id" | "flags">, limitMs: number): Promise<void> {
  if (!dropsDirty(flags) || !hasOutside) return;
  try {
    await askOutside("sync", id, { args: ["sync"], limitMs });
  } catch (error) {
    if (!(error instanceof UblkError) || error.code !== "ETIMEDOUT") throw error;
    const what = `what is dirty was not written back within ${limitMs} ms, and would be lost if the disk were stopped now. It is used by`;
    throw inUse("stop", id, error.errno, what);
  }
}
