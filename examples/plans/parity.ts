import { all, type Fd, group, read, step, write } from "uring-ublk";

/** The XOR of blocks of the same length. */
export function parityOf(blocks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const parity = new Uint8Array(blocks[0]!.length);
  for (const block of blocks) for (let i = 0; i < parity.length; i++) parity[i]! ^= block[i]!;
  return parity;
}

/**
 * N to M: a stripe is read from all data disks side by side; when all of it is there, its parity goes to all parity disks side by side. As
 * a leader it is one node, so that the next pipeline may hang on it.
 */
export function stripeParity(data: readonly Fd[], parity: readonly Fd[], offset: number, length: number) {
  const blocks = data.map(() => new Uint8Array(length));
  const reads = all(...data.map((fd, i) => read({ fd, buffer: blocks[i]!, offset }).exact()));
  // Made once, by whichever member is begun first.
  let sum: Uint8Array<ArrayBuffer> | undefined;
  const writes = parity.map((fd) => step(() => write({ fd, buffer: (sum ??= parityOf(blocks)), offset }).exact()));
  return group(reads, writes);
}
