import { kernelIsAtLeast } from "../uring/kernel-release.ts";
import * as abi from "./abi.ts";
import { sinceOf } from "./features.ts";

/** How a request's data reaches the server: the name of a {@link ModeInfo}. */
export type DataMode = "copy" | "need-get-data" | "user-copy" | "zero-copy" | "auto-buf-reg";

/** What a data mode is. */
export interface ModeInfo {
  /** As the option `mode` of `serve` takes it. */
  readonly name: DataMode;
  /** The first kernel that has it. */
  readonly since: string;
  /** The driver's flags that make it: `UBLK_F_*`, all of them. */
  readonly flags: number;
  /** Whether the data stays in the kernel, which lends the request's pages to operations of the ring. */
  readonly lends: boolean;
  /** What it does, in one sentence. */
  readonly meaning: string;
}

const mode = (name: DataMode, flags: number, lends: boolean, meaning: string): ModeInfo =>
  Object.freeze({ name, since: sinceOf(flags), flags, lends, meaning });

/** Every data mode, from the one that is best for a target that never looks at its data. */
export const MODES: readonly ModeInfo[] = Object.freeze([
  mode(
    "auto-buf-reg",
    abi.UBLK_F_AUTO_BUF_REG | abi.UBLK_F_SUPPORT_ZERO_COPY,
    true,
    "requests arrive with their pages registered in the ring's buffer table, and are taken out of it by the commit",
  ),
  mode(
    "zero-copy",
    abi.UBLK_F_SUPPORT_ZERO_COPY,
    true,
    "each request's pages are registered before the target sees it (REGISTER_IO_BUF), and unregistered at its end",
  ),
  mode("copy", 0, false, "the kernel copies into memory of this process before a WRITE arrives, and out of it after a READ"),
  mode(
    "user-copy",
    abi.UBLK_F_USER_COPY,
    false,
    "the serving thread copies itself (pread and pwrite on the char device): a WRITE's data when the target first looks at it",
  ),
  mode(
    "need-get-data",
    abi.UBLK_F_NEED_GET_DATA,
    false,
    "as copy, but a WRITE's data is asked for when the request has arrived (NEED_GET_DATA), with one more command",
  ),
]);

const NAMED = new Map(MODES.map((info) => [info.name, info]));

/** What is known of a mode. */
export const modeInfo = (name: DataMode): ModeInfo => NAMED.get(name)!;

/** Whether a driver with these features has the mode. Before 6.15 it may have the bit for zero copy alone, and no command. */
export const hasMode = ({ flags, lends, since }: ModeInfo, features: number): boolean =>
  (features & flags) === flags && (!lends || (features & abi.UBLK_F_AUTO_BUF_REG) !== 0 || kernelIsAtLeast(since));

/** The mode of a device with these flags. */
export const modeOf = (flags: number): DataMode =>
  MODES.find(({ flags: needs }) => needs !== 0 && (flags & needs) === needs)?.name ?? "copy";

/** Whether the pages of requests are lent to operations of the ring, and are no memory of this process. */
export const lendsPages = (name: DataMode): boolean => modeInfo(name).lends;

/**
 * The driver's flags for a device in a mode. Where pages are lent, USER_COPY comes with them if the driver has it: a target may still
 * look at a request's data by a copy.
 */
export function flagsOf(name: DataMode, features: number): number {
  const { flags, lends } = modeInfo(name);
  return lends ? flags | (features & abi.UBLK_F_USER_COPY) : flags;
}
