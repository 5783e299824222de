import { checkKnown, show } from "../uring/options.ts";
import {
  UBLK_F_AUTO_BUF_REG,
  UBLK_F_BATCH_IO,
  UBLK_F_NEED_GET_DATA,
  UBLK_F_SHMEM_ZC,
  UBLK_F_SUPPORT_ZERO_COPY,
  UBLK_F_USER_COPY,
} from "./abi.ts";
import type { DataMode } from "./data-mode.ts";
import type { DeviceInfo } from "./info.ts";
import { recoveryOf } from "./recovery.ts";
import { type CheckedOptions, checkServeOptions, SERVE_OPTIONS, type ServeOptions } from "./serve-options.ts";

const RECOVER_OPTIONS = [
  "threads",
  "registration",
  "serialize",
  "lockMemory",
  "signals",
  "options",
  "timeoutMs",
  "watchdogMs",
  "hotReload",
  "encoding",
] as const satisfies readonly (keyof ServeOptions)[];

/** Options of {@link recover}: those of {@link serve} that do not belong to the device, which has the others already. */
export type RecoverOptions<Options = unknown> = Pick<ServeOptions<Options>, (typeof RECOVER_OPTIONS)[number]>;

/** Checks them before anything is done, as far as they can be without the device. */
export function checkRecoverOptions(options: RecoverOptions<never>): CheckedOptions {
  const fixed = SERVE_OPTIONS.filter((name) => !(RECOVER_OPTIONS as readonly string[]).includes(name));
  for (const name of fixed) {
    const value = (options as ServeOptions)[name];
    if (value !== undefined)
      throw new TypeError(`recover: ${name} is ${show(value)}, but the device has its own already, which cannot change; leave it out`);
  }
  checkKnown("recover", options, RECOVER_OPTIONS);
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

/** The data mode of a device with these flags. */
export function modeOf(flags: number): DataMode {
  if ((flags & UBLK_F_AUTO_BUF_REG) !== 0) return "auto-buf-reg";
  if ((flags & UBLK_F_SUPPORT_ZERO_COPY) !== 0) return "zero-copy";
  if ((flags & UBLK_F_USER_COPY) !== 0) return "user-copy";
  return (flags & UBLK_F_NEED_GET_DATA) === 0 ? "copy" : "need-get-data";
}
