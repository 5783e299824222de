import { existsSync } from "node:fs";
import { charPath, type UblkControl } from "../ublk/index.ts";
import { stopUnused } from "../ublk/stop-unused.ts";
import { writeBackFirst } from "../ublk/write-back-first.ts";
import { askServer, listens } from "./ask-server.ts";
import type { CommandLine } from "./command-line.ts";
import { SECONDS } from "./commands.ts";
import { jsonText, type Output } from "./output.ts";
import { stopInChild } from "./stop.ts";
import { type Device, known, openControl } from "./survey.ts";

const GONE_MS = 5_000;
const POLL_MS = 10;

/** Why a disk is better not stopped; undefined when nothing speaks against it. */
function objection({ id, ours, state }: Device): string | undefined {
  if (!ours) return `device ${id} was not made by uring-ublk; --force stops it all the same`;
  if (state === "quiesced" || state === "fail-io")
    return `device ${id} has no server, and waits for another: uring-ublk recover ${id} serves it again; --force stops it, and what is not written back is lost`;
  return undefined;
}

/** A server that does not listen: the kernel stops its disk, and it notices. */
async function stopByKernel(control: UblkControl, id: number, safe: boolean, seconds: number): Promise<void> {
  if (safe) return await stopUnused(control, id, seconds * 1000);
  const { flags, state } = await control.getDeviceInfo(id);
  if (state === "live") await writeBackFirst({ id, flags }, seconds * 1000);
  await stopInChild(id, seconds);
}

/** `uring-ublk stop`. */
export async function stopDisk(line: CommandLine, output: Output): Promise<number> {
  const [id] = line.ids as [number];
  const seconds = line.seconds(SECONDS.stop);
  const safe = line.flag("--safe");
  await using control = await openControl();
  const device = await known(control, id);
  const problem = line.flag("--force") ? undefined : objection(device);
  if (problem !== undefined) throw new Error(problem);
  const { state, pid } = device;
  if (state !== "dead") {
    if (state === "live" && pid !== undefined && listens(id, pid)) await askServer(id, pid, { ask: "stop", ifUnused: safe }, seconds);
    else await stopByKernel(control, id, safe, seconds);
  }
  const gone = state !== "dead" && device.ours && (await removed(id));
  if (line.json) output.data(jsonText({ id, stopped: true, deleted: gone }));
  output.message(
    `device ${id} is stopped${gone ? ", and its server has deleted it" : `; uring-ublk del ${id} deletes what is left of it`}`,
  );
  return 0;
}

/** Its server deletes it, in a moment. */
async function removed(id: number): Promise<boolean> {
  for (const until = performance.now() + GONE_MS; performance.now() < until; await Bun.sleep(POLL_MS)) {
    if (!existsSync(charPath(id))) return true;
  }
  return false;
}
