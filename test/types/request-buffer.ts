/** A request's buffer knows its direction: what the kernel would answer with EFAULT does not compile. */
import { type RequestBuffer, readFixed, type UblkRequest, writeFixed } from "uring-ublk";
import { expectType, type Same } from "./expect-type.ts";

const fd = 3;
declare const request: UblkRequest;
const { buffer } = request;
expectType<Same<typeof buffer, RequestBuffer>>();

if (buffer.kind === "source") {
  writeFixed({ fd, buffer: buffer.fixed });
  writeFixed({ fd, buffer: buffer.fixed.slice(0, 512) });
  // @ts-expect-error a WRITE request's data is not written into
  readFixed({ fd, buffer: buffer.fixed });
  // @ts-expect-error nor is a part of it
  readFixed({ fd, buffer: buffer.fixed.slice(0, 512) });
} else if (buffer.kind === "sink") {
  readFixed({ fd, buffer: buffer.fixed });
  // @ts-expect-error a READ request's pages hold nothing yet
  writeFixed({ fd, buffer: buffer.fixed });
} else {
  // @ts-expect-error memory is not a slot of the ring's table
  readFixed({ fd, buffer: buffer.fixed });
}
