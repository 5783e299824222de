import { holdersInWords, holdersOf, removeState, type UblkControl, UblkError } from "../ublk/index.ts";
import type { CommandLine } from "./command-line.ts";
import { SECONDS } from "./commands.ts";
import { jsonText, type Output } from "./output.ts";
import { removeSockets } from "./server-path.ts";
import { stopInChild } from "./stop.ts";
import { type Device, look, noDevice, openControl, survey } from "./survey.ts";

const DELETE_MS = 5_000;

/** How a device is deleted. */
interface Manner {
  /** How long it may take to stop. */
  readonly seconds: number;
  /** Those who still have it open are not waited for. */
  readonly later: boolean;
}

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
export async function remove(control: UblkControl, device: Device, { seconds, later }: Manner): Promise<void> {
  const { id } = device;
  if (device.state !== "dead") await stopInChild(id, seconds);
  removeState(id); // while the id is taken: once it is free, the next device's file has this name
  removeSockets(id);
  // The server may delete it itself once it is stopped.
  try {
    if (later) await control.deleteDeviceAsync(id, { timeoutMs: DELETE_MS });
    else await control.deleteDevice(id, { timeoutMs: DELETE_MS });
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

async function chosen(control: UblkControl, line: CommandLine, output: Output): Promise<Device[] | undefined> {
  const { ids } = line;
  const force = line.flag("--force");
  if (line.flag("--all")) {
    const ours = (await survey(control)).filter((device) => device.ours);
    const wanted = ours.filter((device) => force || objection(device) === undefined);
    for (const device of ours) if (!wanted.includes(device)) output.message(`left alone: ${objection(device)}`);
    return wanted;
  }
  const devices: Device[] = [];
  let refused = false;
  for (const id of ids) {
    const device = await look(control, id);
    const problem = device === undefined ? noDevice(id) : force ? undefined : objection(device);
    if (problem !== undefined) output.message(problem);
    refused ||= problem !== undefined;
    if (problem === undefined && device !== undefined) devices.push(device);
  }
  return refused ? undefined : devices;
}

/** `uring-ublk del`: all or, where one of the named devices may not be deleted, none. */
export async function del(line: CommandLine, output: Output): Promise<number> {
  await using control = await openControl();
  const devices = await chosen(control, line, output);
  if (devices === undefined) return 1;
  if (devices.length === 0) output.message("there is nothing to delete");
  const manner = { seconds: line.seconds(SECONDS.del), later: line.flag("--async") };
  const deleted: number[] = [];
  for (const device of devices) {
    try {
      await remove(control, device, manner);
      deleted.push(device.id);
      output.message(`device ${device.id} is deleted`);
    } catch (error) {
      output.message(explain(error, device, manner.seconds));
    }
  }
  if (line.json) output.data(jsonText({ deleted }));
  return deleted.length === devices.length ? 0 : 1;
}
