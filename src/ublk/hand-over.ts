import { checkInteger, checkKnown } from "../uring/options.ts";
import { UBLK_F_BATCH_IO, UBLK_F_QUIESCE } from "./abi.ts";
import type { UblkControl } from "./control.ts";
import { UblkError } from "./error.ts";
import type { DeviceInfo } from "./info.ts";
import { TIMER_MAX } from "./limits.ts";
import { outlives } from "./recovery.ts";
import type { ServingThreads } from "./serving-threads.ts";
import { GRACE_MS } from "./stop-options.ts";

/** Options of {@link UblkDevice.handOver}. */
export interface HandOverOptions {
  /** How long requests that the target holds may take to be answered, in milliseconds. Default 5000. */
  grace?: number;
}

const EOPNOTSUPP = -95;
const ETIMEDOUT = -110;

/** Checks whether and how a device can be handed over; answers the grace. */
export function checkHandOver(options: HandOverOptions, info: DeviceInfo): number {
  checkKnown("handOver", options, ["grace"]);
  const { grace = GRACE_MS } = options;
  checkInteger("handOver", "grace", grace, 0, TIMER_MAX, "milliseconds");
  if (!outlives(info.flags))
    throw new TypeError("handOver: the disk goes with this process; serve it with recovery: 'queue' or 'reissue' to hand it over");
  const why = unfrozen(info);
  if (why === undefined) return grace;
  const hint = `${why}. With recovery 'reissue' simply end the process, and recover`;
  throw new UblkError({ command: "QUIESCE_DEV", device: info.id, errno: EOPNOTSUPP, hint });
}

/** Why a device cannot be frozen; undefined where it can. */
function unfrozen({ flags }: DeviceInfo): string | undefined {
  if ((flags & UBLK_F_QUIESCE) === 0) return "this kernel's ublk has no QUIESCE, which came with Linux 6.16";
  return (flags & UBLK_F_BATCH_IO) === 0 ? undefined : "frozen, a batched device fails new requests with EIO";
}

/**
 * Freezes a device (QUIESCE_DEV) and waits until every request that had arrived is answered and every queue is closed. Answers whether that
 * came about within the grace.
 */
export async function freeze(control: UblkControl, id: number, threads: ServingThreads, grace: number): Promise<boolean> {
  await control.quiesceDevice(id);
  threads.depart();
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, grace, false);
  const closed = await Promise.race([threads.closed.then(() => true), late]);
  clearTimeout(timer);
  return closed;
}

/** What became of requests that were not answered in time, where they are not sent again. */
export function leftOpen(id: number, grace: number): UblkError {
  const hint = `the target did not answer its requests within ${grace} ms: they failed with EIO, and the disk is handed over`;
  return new UblkError({ command: "handOver", device: id, errno: ETIMEDOUT, hint });
}
