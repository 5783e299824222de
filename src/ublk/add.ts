import { UBLK_F_BATCH_IO } from "./abi.ts";
import type { UblkControl } from "./control.ts";
import { type DataMode, flagsOf, modeInfo } from "./data-mode.ts";
import { UblkError } from "./error.ts";
import type { CheckedGeometry } from "./geometry.ts";
import type { DeviceInfo } from "./info.ts";
import { SLOTS_MAX, slotsOf } from "./open-queue.ts";
import { type CheckedOptions, checkQueues } from "./serve-options.ts";
import { sharingFlag } from "./sharing.ts";

const EOPNOTSUPP = -95;

/** Refuses a combination of depth, members and mode that no ring can hold, before anything is made. */
export function checkRoom(options: CheckedOptions, geometry: CheckedGeometry, mode: DataMode): void {
  const slots = slotsOf({ depth: options.depth, members: geometry.members, mode, batch: options.batch });
  if (slots <= SLOTS_MAX) return;
  throw new RangeError(
    `serve: depth ${options.depth} with the target's members ${geometry.members} needs ${slots} slots of a ring that has ${SLOTS_MAX}; lower one of them`,
  );
}

/** ADD_DEV as the options say. */
export function addDevice(control: UblkControl, options: CheckedOptions, mode: DataMode): Promise<DeviceInfo> {
  return control.addDevice({
    ...(options.id === undefined ? {} : { id: options.id }),
    queues: options.queues,
    depth: options.depth,
    maxIoBytes: options.maxIoBytes,
    flags: flagsOf(mode, control.features) | sharingFlag(options) | (options.batch ? UBLK_F_BATCH_IO : 0),
  });
}

/** A look at what the driver made of it. */
export function checkGranted(info: DeviceInfo, options: CheckedOptions, mode: DataMode): void {
  checkQueues(options.queues, info.queues);
  if (options.batch && (info.flags & UBLK_F_BATCH_IO) === 0)
    throw new UblkError({ command: "ADD_DEV", errno: EOPNOTSUPP, hint: "the driver did not grant BATCH_IO" });
  const { flags } = modeInfo(mode);
  const sharing = sharingFlag(options);
  if ((info.flags & sharing) !== sharing)
    throw new UblkError({ command: "ADD_DEV", errno: EOPNOTSUPP, hint: "the driver did not grant sharedMemory" });
  if ((info.flags & flags) !== flags)
    throw new UblkError({ command: "ADD_DEV", errno: EOPNOTSUPP, hint: `the driver did not grant mode '${mode}'` });
}
