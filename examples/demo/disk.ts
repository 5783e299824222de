import { serve, type UblkDevice } from "uring-ublk";

/** A disk whose bytes are an array. */
export function startDisk(bytes: number): Promise<UblkDevice> {
  const data = new Uint8Array(bytes);
  return serve({
    size: data.length,
    read: (buffer, offset) => buffer.set(data.subarray(offset, offset + buffer.length)),
    write: (buffer, offset) => data.set(buffer, offset),
    flush: () => {},
  });
}
