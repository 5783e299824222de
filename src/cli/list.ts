import { jsonText, type Output, sizeText, table } from "./output.ts";
import { type Device, openControl, surveyAll } from "./survey.ts";

const HEAD = ["ID", "PATH", "STATE", "SERVER", "QUEUES", "DEPTH", "SIZE", "MADE BY"];

function row(device: Device): string[] {
  const { id, path, state, pid, alive, ours, module, queues, depth, size } = device;
  return [
    String(id),
    path,
    state,
    pid === undefined ? "none" : `${pid}${alive ? "" : " (gone)"}`,
    String(queues),
    String(depth),
    size === undefined ? "?" : sizeText(size),
    ours ? `uring-ublk${module === undefined ? "" : ` ${module}`}` : "another program",
  ];
}

/** `uring-ublk list`: every ublk device. */
export async function list(output: Output, json: boolean): Promise<number> {
  await using control = await openControl();
  const { devices, hidden } = await surveyAll(control);
  if (json)
    output.data(
      jsonText(
        devices.map((device) => ({
          ...device,
          pid: device.pid ?? null,
          module: device.module ?? null,
          size: device.size ?? null,
        })),
      ),
    );
  else if (devices.length === 0) output.message(hidden.length > 0 ? "there are no ublk devices of yours" : "there are no ublk devices");
  else output.data(table([HEAD, ...devices.map(row)]));
  if (hidden.length > 0)
    output.message(`left out: ${hidden.map((id) => `ublkb${id}`).join(", ")}, which only their owners and root may look at`);
  return 0;
}
