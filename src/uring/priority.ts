import { IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE, IOPRIO_CLASS_RT, IOPRIO_CLASS_SHIFT } from "./file-constants.ts";
import { checkChoice, checkInteger } from "./options.ts";

/** A class of I/O priorities: realtime needs CAP_SYS_ADMIN or CAP_SYS_NICE, idle gets the disk when nobody else wants it. */
export type IoClass = "realtime" | "best-effort" | "idle";

const CLASSES: Readonly<Record<IoClass, number>> = {
  realtime: IOPRIO_CLASS_RT,
  "best-effort": IOPRIO_CLASS_BE,
  idle: IOPRIO_CLASS_IDLE,
};

/**
 * The I/O priority for the `ioprio` option of reads and writes; as `ioprio_set(2)` counts them: level 0 is the highest, 7 the lowest.
 * Schedulers that know no priorities ignore it.
 *
 * @example
 * ```ts
 * import { openSync } from "node:fs";
 * import { ioPriority, read, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = openSync("/proc/version", "r");
 * const buffer = new Uint8Array(8);
 * console.log(await ring.run(read({ fd, buffer, offset: 0, ioprio: ioPriority("idle") }))); // 8
 * ```
 */
export function ioPriority(kind: IoClass, level = 0): number {
  const name = checkChoice("ioPriority", "class", kind, Object.keys(CLASSES) as IoClass[]);
  return (CLASSES[name] << IOPRIO_CLASS_SHIFT) | checkInteger("ioPriority", "level", level, 0, 7, "0 is the highest");
}
