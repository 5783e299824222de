import { UBLK_F_UNPRIVILEGED_DEV, UBLK_S_DEV_DEAD, UBLK_S_DEV_FAIL_IO, UBLK_S_DEV_LIVE, UBLK_S_DEV_QUIESCED } from "./abi.ts";
import { DESCRIPTOR_BYTES, IO_DESC_SIZE } from "./descriptor-map.ts";
import { ublksrv_ctrl_dev_info } from "./structs.ts";

/** The driver's state of a device: no disk; a disk with a server; a disk without one, holding or failing its I/O. */
export type KernelState = "dead" | "live" | "quiesced" | "fail-io";

const STATES: Readonly<Record<number, KernelState>> = {
  [UBLK_S_DEV_DEAD]: "dead",
  [UBLK_S_DEV_LIVE]: "live",
  [UBLK_S_DEV_QUIESCED]: "quiesced",
  [UBLK_S_DEV_FAIL_IO]: "fail-io",
};

/** `struct ublksrv_ctrl_dev_info`: what the driver knows of a device. */
export interface DeviceInfo {
  /** The device's number. */
  readonly id: number;
  /** Hardware queues, after the driver clamped them to the CPUs. */
  readonly queues: number;
  /** Tags per queue. */
  readonly depth: number;
  /** The largest request in bytes. */
  readonly maxIoBytes: number;
  /** Bytes from one descriptor to the next: 24, unless {@link AddDevice.descriptorBytes} asked for more. */
  readonly descriptorBytes: number;
  /** The driver's state of it. */
  readonly state: KernelState;
  /** The server's process, in the caller's pid namespace; -1 without one. */
  readonly pid: number;
  /** `UBLK_F_*`, as negotiated. */
  readonly flags: number;
  /** Opaque to the driver; devices of this library carry a magic here. */
  readonly serverFlags: bigint;
  /** Who made it. */
  readonly ownerUid: number;
  /** That user's group. */
  readonly ownerGid: number;
}

/** Reads the struct, at `base` bytes into the view. */
export function decodeInfo(view: DataView, base = 0): DeviceInfo {
  const get = (name: Parameters<typeof ublksrv_ctrl_dev_info.get>[1]): number => ublksrv_ctrl_dev_info.get(view, name, base);
  const pid = ublksrv_ctrl_dev_info.getSigned(view, "ublksrv_pid", base);
  return Object.freeze({
    id: get("dev_id"),
    queues: get("nr_hw_queues"),
    depth: get("queue_depth"),
    maxIoBytes: get("max_io_buf_bytes"),
    descriptorBytes: (get("flags") & IO_DESC_SIZE) === 0 ? DESCRIPTOR_BYTES : get("pad0"),
    state: STATES[get("state")] ?? "dead",
    pid: pid > 0 ? pid : -1, // before START_DEV, Linux 6.18 and 7.0 answer 0
    flags: get("flags"),
    serverFlags: ublksrv_ctrl_dev_info.getBig(view, "ublksrv_flags", base),
    ownerUid: get("owner_uid"),
    ownerGid: get("owner_gid"),
  });
}

/** In the upper half of `ublksrv_flags`: this device was made by uring-ublk. */
const MAGIC = 0x7572_696en << 32n; // "urin"

/** The `ublksrv_flags` of our devices. */
export const SERVER_FLAGS: bigint = MAGIC;

/** Whether it is a user's who is not root (`UBLK_F_UNPRIVILEGED_DEV`, 6.3). */
export const isUnprivileged = ({ flags }: Pick<DeviceInfo, "flags">): boolean => (flags & UBLK_F_UNPRIVILEGED_DEV) !== 0;

/** Whether this library made the device. */
export function isOurs(info: DeviceInfo): boolean {
  return (info.serverFlags & 0xffff_ffff_0000_0000n) === MAGIC;
}
