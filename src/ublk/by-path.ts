import { UBLK_U_CMD_GET_DEV_INFO2 } from "./abi.ts";
import { ANY_ID, behindPath, type Command } from "./command.ts";
import { UblkError } from "./error.ts";
import { decodeInfo, isUnprivileged } from "./info.ts";
import { type CommandRoad, issueCommand } from "./issue.ts";
import { isAdmin } from "./privilege.ts";
import { ublksrv_ctrl_dev_info } from "./structs.ts";

/** Whether a command is about a device that exists, and does not name its char device already. */
const isAbout = ({ name, device = ANY_ID, pathBytes = 0 }: Command): boolean => name !== "ADD_DEV" && device !== ANY_ID && pathBytes === 0;

/**
 * The same command, with the char device's path in front of what it carries, or instead of nothing: commands of unprivileged devices are allowed
 * by that node's permissions. `answer` moves what the kernel has written to where the caller looks for it.
 */
export function byPath(command: Command): { readonly sent: Command; readonly answer: () => void } {
  const { device = ANY_ID, buffer: own } = command;
  const { buffer, pathBytes } = behindPath(device, own?.byteLength ?? 0);
  const payload = new Uint8Array(buffer.buffer, pathBytes);
  const bytes = own === undefined ? undefined : new Uint8Array(own.buffer, own.byteOffset, own.byteLength);
  if (bytes !== undefined) payload.set(bytes);
  return { sent: { ...command, buffer, pathBytes }, answer: () => bytes?.set(payload) };
}

/** {@link byPath} for a process without CAP_SYS_ADMIN: only unprivileged devices take its commands. */
export function asAllowed(command: Command): { readonly sent: Command; readonly answer: () => void } {
  return isAbout(command) && !isAdmin() ? byPath(command) : { sent: command, answer: () => {} };
}

/**
 * Sends a control command as the device wants it. Privileged devices want no path, and unprivileged ones demand it, of root too: root finds out
 * by the refusal, which comes before anything is done.
 */
export async function sendCommand(road: CommandRoad, command: Command, timeoutMs: number, signal?: AbortSignal): Promise<number> {
  const send = async ({ sent, answer }: ReturnType<typeof byPath>): Promise<number> => {
    const result = await issueCommand(road, sent, timeoutMs, signal);
    answer();
    return result;
  };
  const first = asAllowed(command);
  try {
    return await send(first);
  } catch (error) {
    const refused = error instanceof UblkError && error.code === "EINVAL" && first.sent === command;
    if (!refused || !isAbout(command) || !(await wantsPath(road, command.device!, timeoutMs))) throw error;
    return await send(byPath(command));
  }
}

async function wantsPath(road: CommandRoad, device: number, timeoutMs: number): Promise<boolean> {
  const { buffer, pathBytes } = behindPath(device, ublksrv_ctrl_dev_info.size);
  try {
    await issueCommand(road, { name: "GET_DEV_INFO2", op: UBLK_U_CMD_GET_DEV_INFO2, device, buffer, pathBytes }, timeoutMs);
  } catch {
    return false; // it is gone, or has no node here: what was refused says more
  }
  return isUnprivileged(decodeInfo(buffer, pathBytes));
}
