import {
  UBLK_F_BATCH_IO,
  UBLK_F_INTEGRITY,
  UBLK_F_NO_AUTO_PART_SCAN,
  UBLK_F_UNPRIVILEGED_DEV,
  UBLK_F_UPDATE_SIZE,
  UBLK_F_ZONED,
} from "./abi.ts";
import type { UblkControl } from "./control.ts";
import { type DataMode, flagsOf } from "./data-mode.ts";
import { UblkError } from "./error.ts";
import { featureNames } from "./features.ts";
import type { CheckedGeometry } from "./geometry.ts";
import type { DeviceInfo } from "./info.ts";
import { checkFeature } from "./lacking.ts";
import { SLOTS_MAX, slotsOf } from "./open-queue.ts";
import { recoveryFlags } from "./recovery.ts";
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

/** Refuses `partitionScan: false` where the driver cannot leave it. */
export function checkScan({ partitionScan }: CheckedOptions, features: number): void {
  const remedy = ". Leave partitionScan out: the kernel looks for partitions then";
  if (!partitionScan) checkFeature("partitionScan: false", UBLK_F_NO_AUTO_PART_SCAN, features, remedy);
}

/** The driver's flags of a device that is served as the options say. */
export function wantedFlags(options: CheckedOptions, mode: DataMode, { integrity, zoned }: CheckedGeometry, features: number): number {
  const resizable = features & UBLK_F_UPDATE_SIZE;
  const quiet = options.partitionScan ? 0 : UBLK_F_NO_AUTO_PART_SCAN;
  const kind = (zoned === undefined ? resizable : UBLK_F_ZONED) | (integrity === undefined ? 0 : UBLK_F_INTEGRITY);
  const others = kind | quiet | recoveryFlags(options.recovery, features);
  const manner = (options.batch ? UBLK_F_BATCH_IO : 0) | (options.unprivileged ? UBLK_F_UNPRIVILEGED_DEV : 0);
  return flagsOf(mode, features) | sharingFlag(options) | others | manner;
}

/** ADD_DEV as the options say. */
export function addDevice(control: UblkControl, options: CheckedOptions, flags: number): Promise<DeviceInfo> {
  return control.addDevice({
    ...(options.id === undefined ? {} : { id: options.id }),
    queues: options.queues,
    depth: options.depth,
    maxIoBytes: options.maxIoBytes,
    flags,
  });
}

/** A look at what the driver made of it. */
export function checkGranted(info: DeviceInfo, { queues }: CheckedOptions, flags: number): void {
  checkQueues(queues, info.queues);
  const refused = featureNames(flags & ~info.flags);
  if (refused.length > 0)
    throw new UblkError({ command: "ADD_DEV", errno: EOPNOTSUPP, hint: `the driver did not grant ${refused.join(" and ")}` });
}
