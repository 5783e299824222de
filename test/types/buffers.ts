/** Buffers are types: memory, fixed buffers, and kernel buffers that only give or only take data. */
import {
  FixedBuffer,
  type FixedSink,
  type FixedSource,
  Ring,
  read,
  readFixed,
  readv,
  readvFixed,
  recvMultishot,
  sendZc,
  write,
  writeFixed,
  writev,
  writevFixed,
} from "uring-ublk";
import { expectType, type Same } from "./expect-type.ts";

const fd = 3;
const memory = new FixedBuffer(0, 0, 4096, "memory");
const source = new FixedBuffer(0, 0, 4096, "source"); // a WRITE request's data
const sink = new FixedBuffer(0, 0, 4096, "sink"); // where a READ request's data goes

// Memory takes both ways; kernel buffers one.
readFixed({ fd, buffer: memory });
readFixed({ fd, buffer: sink });
writeFixed({ fd, buffer: memory });
writeFixed({ fd, buffer: source });
// @ts-expect-error data cannot be read into a source
readFixed({ fd, buffer: source });
// @ts-expect-error data cannot be written from a sink
writeFixed({ fd, buffer: sink });
// @ts-expect-error not even in parts
readvFixed({ fd, buffers: [memory, source] });
// @ts-expect-error not even in parts
writevFixed({ fd, buffers: [sink] });
// @ts-expect-error a part keeps its direction
writeFixed({ fd, buffer: sink.slice(0, 10) });
writeFixed({ fd, buffer: source.slice(0, 10) });

// Fixed buffers and memory are not interchangeable.
// @ts-expect-error a fixed buffer is used by readFixed
read({ fd, buffer: memory });
// @ts-expect-error a fixed buffer is used by writeFixed
write({ fd, buffer: memory });
// @ts-expect-error memory must be registered first
readFixed({ fd, buffer: new Uint8Array(8) });
// @ts-expect-error vectored operations take a list
readv({ fd, buffers: new Uint8Array(8) });
// @ts-expect-error and plain ones do not
write({ fd, buffer: [new Uint8Array(8)] });

// Any memory will do.
for (const buffer of [
  new Uint8Array(8),
  new Float64Array(1),
  new DataView(new ArrayBuffer(8)),
  Buffer.alloc(8),
  new ArrayBuffer(8),
  new SharedArrayBuffer(8),
]) {
  read({ fd, buffer });
  writev({ fd, buffers: [buffer] });
  sendZc({ fd, buffer });
}
// @ts-expect-error text has no memory of its own: encode it
write({ fd, buffer: "text" });
// @ts-expect-error nor has a list of numbers
write({ fd, buffer: [1, 2, 3] });

const ring = await Ring.open({ fixedBuffers: 1 });
const own = ring.fixedBuffer(4096);
expectType<Same<typeof own.direction, "memory">>();
own.bytes.set([1]);
readFixed({ fd, buffer: own });
// @ts-expect-error a group of buffers, not one
recvMultishot({ fd, group: own });

export const takesBoth = (from: FixedSource, to: FixedSink): void => {
  writeFixed({ fd, buffer: from });
  readFixed({ fd, buffer: to });
  // @ts-expect-error the other way round
  readFixed({ fd, buffer: from });
};
