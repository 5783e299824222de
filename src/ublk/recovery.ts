import { UBLK_F_QUIESCE, UBLK_F_USER_RECOVERY, UBLK_F_USER_RECOVERY_FAIL_IO, UBLK_F_USER_RECOVERY_REISSUE } from "./abi.ts";
import { unsupported } from "./lacking.ts";

/**
 * What becomes of a disk whose server ends without having stopped it. `"none"`: the disk goes with it. Otherwise it stays and waits for
 * another server, which {@link recover} is. Meanwhile:
 *
 * - `"queue"` (6.1): new requests wait. Those that the server had in its hands fail with EIO.
 * - `"reissue"` (6.1): new requests wait, and those that the server had in its hands are sent to the next one: no client sees an error. A
 *   write may be done twice, which a disk must tolerate.
 * - `"fail-io"` (6.13): new requests fail at once, and so do those that the server had in its hands.
 */
export type Recovery = "none" | "queue" | "reissue" | "fail-io";

const FLAGS: Readonly<Record<Recovery, number>> = {
  none: 0,
  queue: UBLK_F_USER_RECOVERY,
  reissue: UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE,
  "fail-io": UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_FAIL_IO,
};

/** The names of the modes. */
export const RECOVERIES = Object.keys(FLAGS) as Recovery[];

/** Whether a device with these flags stays when its server ends. */
export const outlives = (flags: number): boolean => (flags & UBLK_F_USER_RECOVERY) !== 0;

/** Whether STOP_DEV drops what is dirty of a device with these flags: its requests wait for another server. */
export const dropsDirty = (flags: number): boolean => outlives(flags) && (flags & UBLK_F_USER_RECOVERY_FAIL_IO) === 0;

/** The driver's flags of a mode. Where the driver can freeze a device for an upgrade, it may. */
export const recoveryFlags = (recovery: Recovery, features: number): number =>
  recovery === "none" ? 0 : FLAGS[recovery] | (features & UBLK_F_QUIESCE);

/** The mode of a device with these flags. */
export const recoveryOf = (flags: number): Recovery => RECOVERIES.findLast((name) => (flags & FLAGS[name]) === FLAGS[name])!;

/** Refuses a mode that the driver does not have. */
export function checkRecovery({ recovery }: { readonly recovery: Recovery }, features: number): void {
  const flags = FLAGS[recovery];
  if ((features & flags) !== flags) throw unsupported(`recovery: '${recovery}'`, flags, features, ". Use 'queue' or 'reissue'");
}
