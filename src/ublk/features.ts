import * as abi from "./abi.ts";
import { IO_DESC_SIZE } from "./descriptor-map.ts";

/** A feature flag of the driver. */
export interface Feature {
  /** Its name without `UBLK_F_`, e.g. `"AUTO_BUF_REG"`. */
  readonly name: string;
  /** Its `UBLK_F_*` value. */
  readonly bit: number;
  /** The kernel that brought it. */
  readonly since: string;
  /** What it is for, in a few words. */
  readonly meaning: string;
}

const feature = (name: string, bit: number, since: string, meaning: string): Feature => Object.freeze({ name, bit, since, meaning });

/** Every feature flag of ublk up to Linux 7.3, in bit order. */
export const FEATURES: readonly Feature[] = Object.freeze([
  feature("SUPPORT_ZERO_COPY", abi.UBLK_F_SUPPORT_ZERO_COPY, "6.15", "a request's pages can be registered as a fixed buffer"),
  feature("URING_CMD_COMP_IN_TASK", abi.UBLK_F_URING_CMD_COMP_IN_TASK, "6.0", "completions run as task work"),
  feature("NEED_GET_DATA", abi.UBLK_F_NEED_GET_DATA, "6.0", "write data is fetched on demand"),
  feature("USER_RECOVERY", abi.UBLK_F_USER_RECOVERY, "6.1", "the device outlives its server"),
  feature("USER_RECOVERY_REISSUE", abi.UBLK_F_USER_RECOVERY_REISSUE, "6.1", "requests of a dead server are sent again"),
  feature("UNPRIVILEGED_DEV", abi.UBLK_F_UNPRIVILEGED_DEV, "6.3", "devices without root"),
  feature("CMD_IOCTL_ENCODE", abi.UBLK_F_CMD_IOCTL_ENCODE, "6.4", "commands are encoded as ioctls"),
  feature("USER_COPY", abi.UBLK_F_USER_COPY, "6.5", "data moves by pread and pwrite on the char device"),
  feature("ZONED", abi.UBLK_F_ZONED, "6.6", "zoned block devices"),
  feature("USER_RECOVERY_FAIL_IO", abi.UBLK_F_USER_RECOVERY_FAIL_IO, "6.13", "I/O fails while there is no server"),
  feature("UPDATE_SIZE", abi.UBLK_F_UPDATE_SIZE, "6.16", "a live device can change its size"),
  feature("AUTO_BUF_REG", abi.UBLK_F_AUTO_BUF_REG, "6.16", "requests arrive with their pages registered"),
  feature("QUIESCE", abi.UBLK_F_QUIESCE, "6.16", "a live device can be frozen for an upgrade"),
  feature("PER_IO_DAEMON", abi.UBLK_F_PER_IO_DAEMON, "6.16", "each tag has its own serving thread"),
  feature("BUF_REG_OFF_DAEMON", abi.UBLK_F_BUF_REG_OFF_DAEMON, "6.17", "any thread may register a request's pages"),
  feature("BATCH_IO", abi.UBLK_F_BATCH_IO, "7.0", "requests are fetched and committed in batches"),
  feature("INTEGRITY", abi.UBLK_F_INTEGRITY, "7.0", "metadata and protection information"),
  feature("SAFE_STOP_DEV", abi.UBLK_F_SAFE_STOP_DEV, "7.0", "a device in use is not stopped by TRY_STOP_DEV"),
  feature("NO_AUTO_PART_SCAN", abi.UBLK_F_NO_AUTO_PART_SCAN, "7.0", "no partition scan at start"),
  feature("SHMEM_ZC", abi.UBLK_F_SHMEM_ZC, "7.1", "client memory that the server shares is recognised"),
  feature("IO_DESC_SIZE", IO_DESC_SIZE, "7.3", "the size of the I/O descriptors is negotiable"),
]);

/** The kernel that brought the last of the flags in a mask. Of those that are asked for together, the later one has the higher bit. */
export const sinceOf = (mask: number): string => FEATURES.findLast(({ bit }) => (mask & bit) !== 0)?.since ?? "6.0";

/** The flags in a mask, newest knowledge last; bits without a name appear as `"bit 31"`. */
export function featureNames(mask: number): string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 53; bit++) {
    const value = 2 ** bit;
    if (Math.floor(mask / value) % 2 === 0) continue;
    names.push(FEATURES.find((f) => f.bit === value)?.name ?? `bit ${bit}`);
  }
  return names;
}
