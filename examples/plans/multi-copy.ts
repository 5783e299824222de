import { type Fd, group, type Ring, read, step, write } from "uring-ublk";

/** A chunk of a file, read once and written to each of the others. */
export function copyChunk(source: Fd, targets: readonly Fd[], buffer: Uint8Array, offset: number) {
  const writes = targets.map((fd) => step((bytes: number) => write({ fd, buffer: buffer.subarray(0, bytes), offset }).exact()));
  return group(read({ fd: source, buffer, offset }), writes);
}

/** Copies a file to several others at once; answers its length. When one of them fails, so does the copy, once all are over. */
export async function multiCopy(ring: Ring, source: Fd, targets: readonly Fd[], chunk = 256 * 1024): Promise<number> {
  const buffer = new Uint8Array(chunk);
  for (let offset = 0; ; ) {
    const { leader: bytes } = await ring.run(copyChunk(source, targets, buffer, offset));
    if (bytes === 0) return offset;
    offset += bytes;
  }
}
