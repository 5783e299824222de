import { UblkDevice } from "./device.ts";
import type { Target } from "./device-types.ts";
import type { ServeOptions } from "./serve-options.ts";
import type { UnprivilegedOptions } from "./unprivileged.ts";

/**
 * Serves a target as a block device, and resolves when `/dev/ublkbN` can be opened.
 *
 * A target is an object with `size` and methods (served on this thread), a `defineTarget(...)` (the same), or the URL or path of a module
 * whose default export is one (served in a Worker per queue). The device keeps the process alive until `stop()`; SIGINT and SIGTERM stop
 * it. Needs the `ublk_drv` module (Linux 6.5 or newer), and root; or {@link UnprivilegedOptions}, where the administrator allows it.
 *
 * Never run anything synchronous that touches the disk on the thread that serves it (`execSync("mkfs ...")`): use `Bun.$` or `Bun.spawn`.
 *
 * @throws TypeError or RangeError for a bad option, before anything is made; UblkError for what the kernel refuses.
 *
 * @example
 * ```ts
 * import { serve } from "uring-ublk";
 * const data = new Uint8Array(64 * 2 ** 20);
 * await using disk = await serve({
 *   size: data.length,
 *   read: (buffer, offset) => { buffer.set(data.subarray(offset, offset + buffer.length)); },
 *   write: (buffer, offset) => { data.set(buffer, offset); },
 * });
 * console.log(disk.path); // /dev/ublkb0
 * ```
 */
export function serve<Options = never>(
  target: Target<Options>,
  options: ServeOptions<Options> | UnprivilegedOptions<Options> = {},
): Promise<UblkDevice> {
  return UblkDevice.create(target, options);
}
