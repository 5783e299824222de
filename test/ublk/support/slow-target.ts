/** A disk whose requests take their time, each in its own way. */
import { defineTarget } from "uring-ublk";

export const BLOCK = 4096;
export const SIZE = 64 * 2 ** 20;
/** Reads of the blocks there block their thread, are answered late, or much later: where nobody looks for a file system. */
export const BLOCKS = 13 * 2 ** 20;
export const AWAITS = 25 * 2 ** 20;
export const HOLDS = 37 * 2 ** 20;
const WINDOW = 16 * BLOCK;
const SLOW_MS = 2000;
const HELD_MS = 30_000;

export function read(buffer: Uint8Array, offset: number): void | Promise<void> {
  buffer.fill(7);
  if (offset >= HOLDS && offset < HOLDS + WINDOW) return Bun.sleep(HELD_MS);
  if (offset >= AWAITS && offset < AWAITS + WINDOW) return Bun.sleep(SLOW_MS);
  if (offset >= BLOCKS && offset < BLOCKS + WINDOW) Bun.sleepSync(SLOW_MS);
}

export default defineTarget({
  open: () => ({ size: SIZE }),
  attach: () => ({ read }),
});
