import { type DeviceState, readState, recover as serveAgain, type UblkDevice } from "../ublk/index.ts";
import { moduleHere } from "./bundled.ts";
import type { CommandLine } from "./command-line.ts";
import { Foreground, type Front } from "./front.ts";
import type { Output } from "./output.ts";
import { serveHere } from "./serve-here.ts";
import { startInBackground } from "./start.ts";
import { known, openControl } from "./survey.ts";

/** Why the command cannot know what to serve; undefined where it can. */
function unknown(id: number, state: DeviceState | undefined): string | undefined {
  const program = `start the program that served it, and let that call recover(${id}, target)`;
  if (state === undefined) return `the state file of device ${id} is gone, and with it what was served; ${program}`;
  if (state.module === undefined) return `device ${id} was served by functions of a program, not by a module; ${program}`;
  if (state.optionsUnsaid) return `the options of ${state.module} were not plain data, so they are not in the state file; ${program}`;
  return undefined;
}

async function refused(id: number): Promise<string | undefined> {
  await using control = await openControl();
  const device = await known(control, id);
  return device.ours ? unknown(id, readState(id)) : `device ${id} was not made by uring-ublk; recover it with the program that made it`;
}

/** `uring-ublk recover`: serves a device again, with the module and the options of the server before, until it is stopped. */
export async function recover(line: CommandLine, given: readonly string[], output: Output, background: Front | undefined): Promise<number> {
  const id = line.ids[0]!;
  const problem = await refused(id);
  if (problem !== undefined) throw new Error(problem);
  if (line.flag("--daemon") && background === undefined) return await startInBackground(line, given, output);
  return await serveHere(() => begin(id, output), background ?? new Foreground(output, line.json), output);
}

async function begin(id: number, output: Output): Promise<UblkDevice> {
  const { module, options, serving } = readState(id)!;
  const disk = await serveAgain(id, moduleHere(module!), { ...serving, options: options as never });
  const pause = disk.pauseMs === undefined ? "" : `; it was handed over, and waited for ${disk.pauseMs} ms`;
  output.message(`${disk.path} is served again by process ${process.pid}, with ${module}${pause}`);
  return disk;
}
