import { holdersInWords, holdersOf, removeState, type UblkControl, UblkError } from "../ublk/index.ts";
import type { Output } from "./output.ts";
import { stopInChild } from "./stop.ts";
import { type Device, look, openControl, survey } from "./survey.ts";

/** What `del` was asked for. */
export interface Deletion {
  readonly ids: readonly number[];
  readonly all: boolean;
  readonly force: boolean;
  /** How long a device may take to stop. */
  readonly seconds: number;
}

const DELETE_MS = 5_000;

/** Why a device is better left alone; undefined when nothing speaks against deleting it. */
function objection({ id, pid, alive, ours, state }: Device): string | undefined {
  if (!ours) return `device ${id} was not made by uring-ublk; --force deletes it all the same`;
  if (alive)
    return `device ${id} has a live server, process ${pid}: end that process (kill ${pid}) and it removes its device, or use --force`;
  if (state === "quiesced" || state === "fail-io")
    return `device ${id} waits for another server: uring-ublk recover ${id} serves it again; --force deletes it, and what is not written back is lost`;
  return undefined;
}

/**
 * Deletes one device. A device whose server died is dead already: nothing is stopped that nobody would answer. One that is still
 * there is stopped first, which its server has to serve.
 */
async function remove(control: UblkControl, device: Device, seconds: number): Promise<void> {
  const { id } = device;
  if (device.state !== "dead") await stopInChild(id, seconds);
  removeState(id); // while the id is taken: once it is free, the next device's file has this name
  // The server may delete it itself once it is stopped.
  try {
    await control.deleteDevice(id, { timeoutMs: DELETE_MS });
  } catch (error) {
    if (!(error instanceof UblkError) || error.code !== "ENODEV") throw error;
  }
}

/** What a time limit means here, and what helps. */
function explain(error: unknown, { id, path, pid, alive }: Device, seconds: number): string {
  const server = alive ? ` (process ${pid})` : "";
  if (!(error instanceof UblkError) || error.code !== "ETIMEDOUT") return `device ${id}: ${(error as Error).message}`;
  const holders = holdersInWords(holdersOf(id));
  if (error.command === "STOP_DEV") {
    return `device ${id} did not stop in ${seconds} s: its server${server} does not answer its requests. End the server (kill -9 ${pid ?? "PID"}) and run this again`;
  }
  if (holders !== "") {
    return `device ${id} is stopped, but somebody still uses ${path}: ${holders}. Unmount or close it, and the device is gone`;
  }
  return `device ${id} is stopped, but something still holds it: its server${server}, or a program in another mount namespace. It goes when they let go`;
}

async function chosen(control: UblkControl, { ids, all, force }: Deletion, output: Output): Promise<Device[] | undefined> {
  if (all) {
    const ours = (await survey(control)).filter((device) => device.ours);
    const wanted = ours.filter((device) => force || objection(device) === undefined);
    for (const device of ours) if (!wanted.includes(device)) output.message(`left alone: ${objection(device)}`);
    return wanted;
  }
  const devices: Device[] = [];
  let refused = false;
  for (const id of ids) {
    const device = await look(control, id);
    const problem =
      device === undefined ? `there is no device ${id}; uring-ublk list shows what there is` : force ? undefined : objection(device);
    if (problem !== undefined) output.message(problem);
    refused ||= problem !== undefined;
    if (problem === undefined && device !== undefined) devices.push(device);
  }
  return refused ? undefined : devices;
}

/** `uring-ublk del`: all or, where one of the named devices may not be deleted, none. */
export async function del(output: Output, deletion: Deletion): Promise<number> {
  await using control = await openControl();
  const devices = await chosen(control, deletion, output);
  if (devices === undefined) return 1;
  if (devices.length === 0) output.message("there is nothing to delete");
  let failed = false;
  for (const device of devices) {
    try {
      await remove(control, device, deletion.seconds);
      output.message(`device ${device.id} is deleted`);
    } catch (error) {
      failed = true;
      output.message(explain(error, device, deletion.seconds));
    }
  }
  return failed ? 1 : 0;
}
