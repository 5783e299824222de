import { jsonText, type Output, sizeText, table } from "./output.ts";
import { type Device, openControl, survey } from "./survey.ts";

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
  const devices = await survey(control);
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
  else if (devices.length === 0) output.message("there are no ublk devices");
  else output.data(table([HEAD, ...devices.map(row)]));
  return 0;
}
