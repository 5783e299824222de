import { addressOf, type Memory } from "../../ffi/index.ts";
import type { Direction, FixedBuffer } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { iovec } from "../structs.ts";

/** The most vectors that one operation takes. */
export const IOV_MAX = 1024;

/** Builds the iovec array of a vectored operation and pins it with everything it points to. Answers its address. */
export function vectorsOf(buffers: readonly Memory[], lowering: Lowering): number {
  const memory = lowering.list("buffers", buffers, IOV_MAX);
  return rangesOf(
    memory.map((buffer, i) => ({ address: lowering.data(`buffers[${i}]`, buffer), length: buffer.byteLength })),
    lowering,
  );
}

/** The same for parts of one fixed buffer; answers also the index that they share. */
export function fixedVectorsOf(buffers: readonly FixedBuffer<Direction>[], lowering: Lowering): [address: number, index: number] {
  const parts = lowering.list("buffers", buffers, IOV_MAX).map((part, i) => lowering.fixed(`buffers[${i}]`, part));
  const { index } = parts[0]!;
  if (parts.some((part) => part.index !== index))
    throw new RangeError(`${lowering.name}: buffers come from different fixed buffers; one operation uses one`);
  return [rangesOf(parts, lowering), index];
}

function rangesOf(ranges: readonly { address: number; length: number }[], lowering: Lowering): number {
  const vectors = iovec.allocate(ranges.length);
  ranges.forEach(({ address, length }, i) => {
    iovec.set(vectors, "iov_base", address, i * iovec.size);
    iovec.set(vectors, "iov_len", length, i * iovec.size);
  });
  lowering.pin(vectors);
  return addressOf(vectors);
}
