import { addressOf } from "../ffi/index.ts";
import { ublksrv_ctrl_cmd } from "./structs.ts";

/** The device id that means none, or any. */
export const ANY_ID = 0xffff_ffff;
const NO_QUEUE = 0xffff;

/** A control command, before it is encoded. */
export interface Command {
  name: string;
  op: number;
  device?: number;
  buffer?: DataView<ArrayBuffer>;
  data?: number;
  pathBytes?: number;
  /** Called when the kernel has given the command back, however late. */
  ended?: () => void;
}

/** Room for a struct behind the path of the char device, as commands want it that unprivileged devices take too. */
export function behindPath(device: number, bytes: number): { buffer: DataView<ArrayBuffer>; pathBytes: number } {
  const path = new TextEncoder().encode(`/dev/ublkc${device}\0`);
  const pathBytes = Math.ceil(path.length / 8) * 8; // padded with NULs, so that the struct behind it is aligned
  const buffer = new DataView(new ArrayBuffer(pathBytes + bytes));
  new Uint8Array(buffer.buffer).set(path);
  return { buffer, pathBytes };
}

/** The payload of a control command's SQE. */
export function payloadOf({ device = ANY_ID, buffer, data = 0, pathBytes = 0 }: Command): Uint8Array {
  const payload = ublksrv_ctrl_cmd.build({
    dev_id: device,
    queue_id: NO_QUEUE,
    len: buffer?.byteLength ?? 0,
    addr: buffer === undefined ? 0 : addressOf(buffer),
    data,
    dev_path_len: pathBytes,
  });
  return new Uint8Array(payload.buffer);
}
