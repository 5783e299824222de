import { accessSync, constants } from "node:fs";
import { SystemError } from "../ffi/index.ts";
import { UblkError } from "./error.ts";
import { blockPath, charPath, openChar } from "./nodes.ts";

const EACCES = -13;
const POLL_MS = 5;

const notGiven = (path: string): string =>
  `${path} is not yours to open: udev rules of the administrator's would have given it to you (docs/admin.md), and there are none, or they failed`;

/**
 * Opens the char device of a user's own device, once somebody has given it to the user.
 *
 * @throws UblkError EACCES: nobody did. The device is left behind then: its owner may not delete it either.
 */
export async function openOwnChar(id: number, limitMs: number, signal: AbortSignal): Promise<number> {
  try {
    return await openChar(id, limitMs, signal);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "EACCES") throw error;
    const hint = `${notGiven(charPath(id))}. Without that only root can delete the device, which is left behind: uring-ublk del ${id} --force`;
    throw new UblkError({ command: "open", device: id, subject: charPath(id), errno: error.errno, cause: error, hint });
  }
}

/** Waits until the user can open the disk. It is not opened here: that would be I/O on one's own disk. */
export async function ownBlock(id: number, readOnly: boolean, limitMs: number, signal: AbortSignal): Promise<void> {
  const wanted = constants.R_OK | (readOnly ? 0 : constants.W_OK);
  for (const until = performance.now() + limitMs; ; await Bun.sleep(POLL_MS)) {
    signal.throwIfAborted();
    try {
      accessSync(blockPath(id), wanted);
      return;
    } catch (cause) {
      if (performance.now() < until) continue;
      throw new UblkError({ command: "open", device: id, subject: blockPath(id), errno: EACCES, cause, hint: notGiven(blockPath(id)) });
    }
  }
}
