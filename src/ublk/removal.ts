import type { UblkControl } from "./control.ts";
import { deleteNow } from "./delete-now.ts";
import { UblkError } from "./error.ts";
import type { DeviceInfo, KernelState } from "./info.ts";
import { charPath } from "./nodes.ts";
import { outlives } from "./recovery.ts";
import { removeState } from "./state-file.ts";
import { deleteFromOutside } from "./stop-device.ts";

/** How long DEL_DEV may wait for whoever still has a device open. */
const DELETE_MS = 5_000;
const DELETE_NOW_MS = 5_000;
const DEAD_MS = 5_000;
const POLL_MS = 5;

/**
 * Deletes a device that its server has let go, unless it waits for another one. Answers whether it is gone.
 *
 * DEL_DEV waits for the device's requests, beyond the reach of signals: whoever cannot have them answered must not send it. A device
 * that the kernel does not take back therefore ends this process, with the `cause` in its last words.
 */
export async function removeDevice(control: UblkControl, { id, flags }: DeviceInfo, cause: () => Error | undefined): Promise<boolean> {
  const state = await released(control, id);
  if (state === "live") lastResort(id, outlives(flags), cause());
  if (state !== "dead") return false;
  removeState(id); // while the id is ours
  try {
    await control.deleteDevice(id, { timeoutMs: DELETE_MS });
  } catch (error) {
    // Somebody still has the block device open: the device is deleted, and its id is free when they let go.
    if (!(error instanceof UblkError) || (error.code !== "ETIMEDOUT" && error.code !== "ENODEV")) throw error;
  }
  return true;
}

/** Deletes a device that never had a disk; what cannot be deleted is left, for there is an error to tell of already. */
export async function removeUnused(control: UblkControl, id: number): Promise<void> {
  await control.deleteDevice(id, { timeoutMs: DELETE_MS }).catch(() => {});
}

/** Deletes a device synchronously, in a process that is exiting. `released`: nothing of this process holds it any more. */
export function removeNow(id: number, released: boolean): void {
  // A thread that does not let go keeps the char device open, and only the end of the process closes it: waiting would be for ever.
  // A process that outlives this one deletes it then.
  removeState(id); // while the id is ours
  if ((released && deleteNow(id, DELETE_NOW_MS)) || deleteFromOutside(id)) return;
  process.stderr.write(`uring-ublk: ${charPath(id)} may stay behind, dead: \`uring-ublk del ${id}\` removes it\n`);
}

// The kernel takes a device back when its char device is let go. Asked with the command that takes no lock.
async function released(control: UblkControl, id: number): Promise<KernelState> {
  for (const until = performance.now() + DEAD_MS; performance.now() < until; await Bun.sleep(POLL_MS)) {
    try {
      const { state } = await control.getDeviceInfo1(id, { timeoutMs: DEAD_MS });
      if (state !== "live") return state;
    } catch (error) {
      return error instanceof UblkError && error.code === "ENODEV" ? "dead" : "live";
    }
  }
  return "live";
}

function lastResort(id: number, stays: boolean, cause = new Error("its server does not answer")): never {
  process.stderr.write(
    `uring-ublk: device ${id} is not released ${DEAD_MS} ms after its server failed (${cause.message}).\n` +
      `uring-ublk: ending this process, so that the kernel ${stays ? "can give it to another server" : "fails the requests that clients wait for"}.\n`,
  );
  if (!stays) {
    removeState(id);
    deleteFromOutside(id);
  }
  process.kill(process.pid, "SIGKILL");
  throw cause;
}
