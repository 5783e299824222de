import { addressOf, O_RDWR, sys } from "uring-ublk/ffi";
import { abi, CONTROL_PATH } from "uring-ublk/ublk";
import { Ring, uringCmd128 } from "uring-ublk/uring";
import { ublksrv_ctrl_cmd, ublksrv_ctrl_dev_info } from "../../src/ublk/structs.ts";

/** Makes a device as another program would: without this library's mark. Answers its number. */
export async function addStrangeDevice(): Promise<number> {
  const anyId = 0xffff_ffff;
  const info = ublksrv_ctrl_dev_info.build({
    nr_hw_queues: 1,
    queue_depth: 4,
    max_io_buf_bytes: 65536,
    dev_id: anyId,
  });
  const command = ublksrv_ctrl_cmd.build({
    dev_id: anyId,
    queue_id: 0xffff,
    len: info.byteLength,
    addr: addressOf(info),
  });
  const fd = sys.open(CONTROL_PATH, O_RDWR);
  await using ring = await Ring.open({ entries: 8, sqe: 128 });
  const payload = new Uint8Array(command.buffer);
  await ring.run(uringCmd128({ fd, cmdOp: abi.UBLK_U_CMD_ADD_DEV, payload, pins: [info] }));
  sys.close(fd);
  return ublksrv_ctrl_dev_info.get(info, "dev_id");
}
