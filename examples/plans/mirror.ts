import { all, chain, type Fd, fsync, type Ring, write } from "uring-ublk";

/** Data that is on several disks, or in several files, before anybody is told so. */
export const mirrored = (copies: readonly Fd[], buffer: Uint8Array, offset: number) =>
  all(...copies.map((fd) => chain(write({ fd, buffer, offset }).exact(), fsync({ fd, dataOnly: true }))));

/** Writes to all copies, and answers which of them have it: as long as one has, nothing is lost. */
export async function mirrorWrite(ring: Ring, copies: readonly Fd[], buffer: Uint8Array, offset: number): Promise<readonly Fd[]> {
  const outcome = await ring.settle(mirrored(copies, buffer, offset));
  const written = copies.filter((_, i) => outcome.parts[i]!.status === "fulfilled");
  if (written.length === 0 && outcome.status !== "fulfilled") throw outcome.reason;
  return written;
}
