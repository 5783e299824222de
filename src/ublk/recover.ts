import { UblkDevice } from "./device.ts";
import type { Target } from "./device-types.ts";
import type { RecoverOptions } from "./recover-options.ts";

/**
 * Serves a disk again whose server has ended, or has handed it over: one that was served with `recovery: "queue"`, `"reissue"` or
 * `"fail-io"`. Size, block size, queues, depth and mode are the device's and stay; the target must be the same disk, and have the methods
 * that clients count on. Requests that have waited are served as soon as it resolves, before anything else.
 *
 * It waits until nothing holds `/dev/ublkcN` any more (START_USER_RECOVERY, 6.1), `timeoutMs` at most, opens the target, fetches every tag,
 * and goes on (END_USER_RECOVERY). What fails leaves the device as it was, to whoever tries next. `uring-ublk recover N` does the same for
 * a target in a module.
 *
 * @throws UblkError ENODEV: there is no such device; EINVAL: it was made without recovery; EBUSY: its server lives, or something else holds
 *   the char device, which the error names. RangeError or TypeError: the target is another disk, or an option is wrong.
 *
 * @example
 * ```ts no-run
 * import { recover } from "uring-ublk";
 * import { loop } from "uring-ublk/targets";
 * const disk = await recover(0, loop({ path: "/var/lib/disk.img" }));
 * console.log(`${disk.path} is served again`);
 * await disk.finished;
 * ```
 */
export function recover<Options = never>(id: number, target: Target<Options>, options: RecoverOptions<Options> = {}): Promise<UblkDevice> {
  return UblkDevice.recover(id, target, options);
}
