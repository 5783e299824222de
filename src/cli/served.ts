import { listens } from "./ask-server.ts";
import { known, openControl } from "./survey.ts";

/**
 * The process that serves a device, if it can be asked.
 *
 * @throws Error which says why not; `program` is what to do where another program serves the device.
 */
export async function served(id: number, program: string): Promise<number> {
  await using control = await openControl();
  const device = await known(control, id);
  const { ours, state, pid } = device;
  if (!ours) throw new Error(`device ${id} was not made by uring-ublk: only the program that made it can do that`);
  if (state === "quiesced" || state === "fail-io")
    throw new Error(`device ${id} has no server: it waits for another; uring-ublk recover ${id} serves it again`);
  if (state === "dead" || pid === undefined)
    throw new Error(`device ${id} has no disk any more: its server is gone; uring-ublk del ${id} deletes it`);
  if (!listens(id, pid))
    throw new Error(
      `device ${id} is served by process ${pid}, which neither add nor recover has started, and which cannot be asked: ${program}`,
    );
  return pid;
}
