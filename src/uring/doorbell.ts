import { sys } from "../ffi/index.ts";
import type { Driver } from "./driver.ts";
import { POLLIN } from "./ops/control.ts";
import type { RawRing } from "./raw-ring.ts";

/**
 * Calls `rung` in the thread of a ring whenever an eventfd is signalled: how another thread reaches one that blocks in enter.
 *
 * The event loop gets a turn after each ring of the bell, so that what `rung` has scheduled there comes about. Rings that come together
 * are one. The bell works as long as the ring is open.
 */
export function hangDoorbell(raw: RawRing, driver: Driver, eventfd: number, rung: () => void): void {
  const counter = new Uint8Array(new ArrayBuffer(8));
  const slot = raw.allocate((result) => {
    if (raw.closed || result < 0) return;
    sys.read(eventfd, counter);
    raw.poll(slot, eventfd, POLLIN);
    driver.yield();
    rung();
  });
  raw.poll(slot, eventfd, POLLIN);
  driver.kick();
}
