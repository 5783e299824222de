import { checkInteger } from "../uring/options.ts";
import { MADE } from "./adding.ts";
import { ANY_ID } from "./command.ts";
import type { AddDevice } from "./control-options.ts";
import { DESCRIPTOR_BYTES, IO_DESC_SIZE } from "./descriptor-map.ts";
import { SERVER_FLAGS } from "./info.ts";
import { ublksrv_ctrl_dev_info } from "./structs.ts";

const MOST_BYTES = 256;

/** What ADD_DEV is told of the wanted device. The driver writes into it what it made of that. */
export function encodeAdd({ id = ANY_ID, queues, depth, maxIoBytes, flags, descriptorBytes }: AddDevice): DataView<ArrayBuffer> {
  if (descriptorBytes !== undefined) checkDescriptors(descriptorBytes);
  return ublksrv_ctrl_dev_info.build({
    nr_hw_queues: queues,
    queue_depth: depth,
    pad0: descriptorBytes ?? 0, // without the flag it is not looked at
    max_io_buf_bytes: maxIoBytes,
    dev_id: id,
    flags: (flags & ~MADE) | (descriptorBytes === undefined ? 0 : IO_DESC_SIZE),
    ublksrv_flags: SERVER_FLAGS,
  });
}

function checkDescriptors(bytes: number): void {
  checkInteger("addDevice", "descriptorBytes", bytes, DESCRIPTOR_BYTES, MOST_BYTES);
  if (bytes % 8 !== 0) throw new RangeError(`addDevice: descriptorBytes is ${bytes}; it must be a multiple of 8, from 24 to 256`);
}
