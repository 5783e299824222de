import { readFileSync } from "node:fs";

const POSSIBLE = "/sys/devices/system/cpu/possible";

/** CPUs this machine can ever have, `0-3` in {@link POSSIBLE}: the driver makes no more hardware queues. undefined where it is not told. */
export function possibleCpus(): number | undefined {
  try {
    const last = /(\d+)\s*$/.exec(readFileSync(POSSIBLE, "utf8"))?.[1];
    return last === undefined ? undefined : Number(last) + 1;
  } catch {
    return undefined; // no sysfs: ADD_DEV answers how many it made
  }
}
