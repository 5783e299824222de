import type { Ring } from "uring-ublk";

/** Fills the CQ with NOPs that nobody reaps yet, so that a multishot operation finds no room; the next reap takes them. */
export function fillCompletions({ raw }: Ring): void {
  for (let i = 0; i < raw.record.cqEntries; i++) {
    const slot = raw.allocate(() => raw.release(slot));
    raw.nop(slot);
  }
  raw.enter(0);
}
