import { checkKnown, show } from "../uring/options.ts";
import { UBLK_F_BATCH_IO, UBLK_F_SHMEM_ZC } from "./abi.ts";
import { modeOf } from "./data-mode.ts";
import type { DeviceInfo } from "./info.ts";
import { recoveryOf } from "./recovery.ts";
import { type CheckedOptions, checkServeOptions, DEVICE_OPTIONS, SERVING_OPTIONS, type ServeOptions } from "./serve-options.ts";

/** Options of {@link recover}: those of {@link serve} that do not belong to the device, which has the others already. */
export type RecoverOptions<Options = unknown> = Pick<ServeOptions<Options>, (typeof SERVING_OPTIONS)[number]>;

/** Checks them before anything is done, as far as they can be without the device. */
export function checkRecoverOptions(options: RecoverOptions<never>): CheckedOptions {
  for (const name of DEVICE_OPTIONS) {
    const value = (options as ServeOptions)[name];
    if (value !== undefined)
      throw new TypeError(`recover: ${name} is ${show(value)}, but the device has its own already, which cannot change; leave it out`);
  }
  checkKnown("recover", options, SERVING_OPTIONS);
  return checkServeOptions({ depth: 4096, maxIo: 4096, ...options }, "recover");
}

/** The options that a device of these flags and sizes is served with. */
export function optionsFor(info: DeviceInfo, options: RecoverOptions<never>): CheckedOptions {
  const { flags, queues, depth, maxIoBytes } = info;
  const all: ServeOptions<never> = {
    ...options,
    queues,
    depth,
    maxIo: maxIoBytes,
    mode: modeOf(flags),
    batch: (flags & UBLK_F_BATCH_IO) !== 0,
    sharedMemory: (flags & UBLK_F_SHMEM_ZC) !== 0,
    recovery: recoveryOf(flags),
    id: info.id,
  };
  return checkServeOptions(all, "recover");
}

/** How a disk is served, for whoever serves it next: all but what its target is given. */
export const servingOf = (options: CheckedOptions): RecoverOptions =>
  Object.fromEntries(SERVING_OPTIONS.filter((name) => name !== "options").map((name) => [name, options[name]]));
