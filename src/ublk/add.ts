import { UBLK_F_AUTO_BUF_REG, UBLK_F_SUPPORT_ZERO_COPY } from "./abi.ts";
import type { UblkControl } from "./control.ts";
import { UblkError } from "./error.ts";
import { FEATURES } from "./features.ts";
import type { CheckedGeometry } from "./geometry.ts";
import type { DeviceInfo } from "./info.ts";
import { SLOTS_MAX, slotsOf } from "./open-queue.ts";
import type { DataMode } from "./queue-spec.ts";
import { type CheckedOptions, checkQueues } from "./serve-options.ts";

const EOPNOTSUPP = -95;

/** The data mode that was asked for, or the best that target and kernel allow. */
export function chooseMode(options: CheckedOptions, geometry: CheckedGeometry, features: number): DataMode {
  const has = (features & UBLK_F_AUTO_BUF_REG) !== 0 && (features & UBLK_F_SUPPORT_ZERO_COPY) !== 0;
  if (options.mode === "auto-buf-reg") {
    const since = FEATURES.find(({ name }) => name === "AUTO_BUF_REG")?.since;
    if (!has)
      throw new UblkError({
        command: "ADD_DEV",
        errno: EOPNOTSUPP,
        subject: "mode 'auto-buf-reg'",
        hint: `this kernel's ublk has no AUTO_BUF_REG; it came with Linux ${since}. Leave mode out, or use 'copy'`,
      });
    if (!geometry.zeroCopy)
      throw new TypeError(
        "serve: mode is 'auto-buf-reg', but the target looks at the data (zeroCopy is not set); leave mode out, or use 'copy'",
      );
    return "auto-buf-reg";
  }
  return options.mode ?? (has && geometry.zeroCopy ? "auto-buf-reg" : "copy");
}

/** Refuses a combination of depth, members and mode that no ring can hold, before anything is made. */
export function checkRoom(options: CheckedOptions, geometry: CheckedGeometry, mode: DataMode): void {
  const slots = slotsOf({ depth: options.depth, members: geometry.members, mode });
  if (slots <= SLOTS_MAX) return;
  throw new RangeError(
    `serve: depth ${options.depth} with the target's members ${geometry.members} needs ${slots} slots of a ring that has ${SLOTS_MAX}; lower one of them`,
  );
}

/** The driver's flags of a data mode. */
const flagsOf = (mode: DataMode): number => (mode === "auto-buf-reg" ? UBLK_F_AUTO_BUF_REG | UBLK_F_SUPPORT_ZERO_COPY : 0);

/** ADD_DEV as the options say. */
export function addDevice(control: UblkControl, options: CheckedOptions, mode: DataMode): Promise<DeviceInfo> {
  return control.addDevice({
    ...(options.id === undefined ? {} : { id: options.id }),
    queues: options.queues,
    depth: options.depth,
    maxIoBytes: options.maxIoBytes,
    flags: flagsOf(mode),
  });
}

/** A look at what the driver made of it. */
export function checkGranted(info: DeviceInfo, options: CheckedOptions, mode: DataMode): void {
  checkQueues(options.queues, info.queues);
  const flags = flagsOf(mode);
  if ((info.flags & flags) !== flags)
    throw new UblkError({ command: "ADD_DEV", errno: EOPNOTSUPP, hint: `the driver did not grant mode '${mode}'` });
}
