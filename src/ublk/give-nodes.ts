import { chownSync, closeSync, constants, openSync } from "node:fs";
import type { UblkControl } from "./control.ts";
import { type DeviceInfo, isUnprivileged } from "./info.ts";
import { blockPath, charPath } from "./nodes.ts";

const O_PATH = 0x20_0000;

/** A node that is held, whatever takes its name meanwhile. */
interface Held {
  readonly path: string;
  readonly fd: number;
}

function hold(path: string): Held[] {
  try {
    return [{ path, fd: openSync(path, O_PATH | constants.O_NOFOLLOW) }];
  } catch {
    return []; // it is not there: not yet, or not any more
  }
}

/** What came of {@link giveNodes}. */
export interface Given {
  readonly info: DeviceInfo;
  /** The nodes that belong to the device's owner now; none of a privileged device. */
  readonly paths: readonly string[];
}

/**
 * Gives the nodes of an unprivileged device to its owner: `/dev/ublkcN`, and `/dev/ublkbN` if there is a disk. Only root can. Nodes of a
 * privileged device are left alone.
 *
 * The nodes are taken hold of before the driver is asked whose they are: a device that has come in this one's place meanwhile has others.
 */
export async function giveNodes(control: UblkControl, id: number): Promise<Given> {
  const held = [charPath(id), blockPath(id)].flatMap(hold);
  try {
    const info = await control.getDeviceInfo(id);
    if (!isUnprivileged(info)) return { info, paths: [] };
    // By the link of the descriptor: one that was opened for its path alone takes no fchown.
    for (const { fd } of held) chownSync(`/proc/self/fd/${fd}`, info.ownerUid, info.ownerGid);
    return { info, paths: held.map(({ path }) => path) };
  } finally {
    for (const { fd } of held) closeSync(fd);
  }
}
