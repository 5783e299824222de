import { readFileSync } from "node:fs";

/** The kernel's own default. */
const DEFAULT_MS = 30_000;
/** The part of the kernel's time limit after which a request is called slow: three looks are left until the end. */
const SHARE = 0.5;
const LEAST_MS = 40;

/**
 * The time limit of a disk's requests in milliseconds. When a request of an unprivileged disk is open for longer, the kernel ends its server by
 * SIGKILL. An administrator may change it at any time.
 */
export function killLimit(id: number): number {
  try {
    const ms = Number(readFileSync(`/sys/block/ublkb${id}/queue/io_timeout`, "utf8"));
    return ms > 0 ? ms : DEFAULT_MS;
  } catch {
    return DEFAULT_MS; // it is being removed
  }
}

/** What is called slow of a disk now, in milliseconds: what the options say, and in time before the kernel ends the server. */
export const slowLimit = (id: number, watchdogMs: number): number =>
  Math.max(LEAST_MS, Math.min(watchdogMs === 0 ? Number.POSITIVE_INFINITY : watchdogMs, killLimit(id) * SHARE));
