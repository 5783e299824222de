import { addressOf, type Memory } from "../../ffi/index.ts";
import type { Lowering } from "../lowering.ts";
import { iovec } from "../structs.ts";

/** The most vectors that one operation takes. */
export const IOV_MAX = 1024;

/** Builds the iovec array of a vectored operation and pins it with everything it points to. Answers its address. */
export function vectorsOf(buffers: readonly Memory[], lowering: Lowering): number {
  if (buffers.length === 0 || buffers.length > IOV_MAX)
    throw new RangeError(`buffers has ${buffers.length} entries; it must have 1 to ${IOV_MAX}`);
  return rangesOf(
    buffers.map((buffer) => ({ address: lowering.memory(buffer), length: buffer.byteLength })),
    lowering,
  );
}

/** The same for ranges whose addresses are known: parts of a fixed buffer. */
export function rangesOf(ranges: readonly { address: number; length: number }[], lowering: Lowering): number {
  const vectors = iovec.allocate(ranges.length);
  ranges.forEach(({ address, length }, i) => {
    iovec.set(vectors, "iov_base", address, i * iovec.size);
    iovec.set(vectors, "iov_len", length, i * iovec.size);
  });
  lowering.pin(vectors);
  return addressOf(vectors);
}

/** A file offset: a non-negative integer, or undefined for the file's own position (-1). */
export function fileOffset(offset: number | undefined): number {
  if (offset === undefined) return -1;
  if (!Number.isSafeInteger(offset) || offset < 0)
    throw new RangeError(`offset is ${offset}; it must be an integer of at least 0 (bytes), or left out`);
  return offset;
}

/** The table index that all parts of a vectored fixed operation must share. */
export function oneIndex(buffers: readonly { index: number }[]): number {
  const index = buffers[0]?.index;
  if (index === undefined) throw new RangeError("buffers is empty; give at least one part of a fixed buffer");
  if (buffers.some((part) => part.index !== index))
    throw new RangeError("buffers come from different fixed buffers; one operation uses one");
  return index;
}
