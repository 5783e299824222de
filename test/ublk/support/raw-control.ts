import { Ring, uringCmd128 } from "uring-ublk";
import { O_RDWR, sys } from "uring-ublk/ffi";
import { payloadOf } from "../../../src/ublk/command.ts";
import { resultOf } from "./raw-device.ts";

/** A control command that is encoded by hand. Answers its result. */
export async function controlCommand(cmdOp: number, device: number, buffer: DataView<ArrayBuffer>): Promise<number> {
  await using ring = await Ring.open({ entries: 8, sqe: 128 });
  const fd = sys.open("/dev/ublk-control", O_RDWR);
  const payload = payloadOf({ name: "by hand", op: cmdOp, device, buffer });
  const result = await resultOf(ring.run(uringCmd128({ fd, cmdOp, payload, pins: [buffer] })));
  sys.close(fd);
  return result;
}
