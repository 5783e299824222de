/** What a request lends knows its direction, and a handler answers with what can end a request. */
import {
  all,
  chain,
  fsync,
  group,
  nop,
  type RequestTarget,
  recvMultishot,
  type TransferOperation,
  type UblkRequest,
  type ZeroCopySend,
} from "uring-ublk";
import type { BufferGroup, Operation } from "uring-ublk/uring";
import { expectType, type Same } from "./expect-type.ts";

const fd = 3;
declare const request: UblkRequest;
declare const buffers: BufferGroup;

const source = request.source();
const writing = source.slice(0, 512).writeTo({ fd, offset: 0 });
expectType<Same<typeof writing, TransferOperation>>();
const sending = source.sendTo({ fd });
expectType<Same<typeof sending, Operation<ZeroCopySend>>>();
// @ts-expect-error a WRITE request's data is not read into
source.readFrom({ fd, offset: 0 });
// @ts-expect-error nor received into
source.recvFrom({ fd });
// @ts-expect-error a file has no position of its own for several requests at a time
source.writeTo({ fd });

const sink = request.sink();
sink.slice(512).readFrom({ fd, offset: 0 }).allowShort();
sink.recvFrom({ fd, pollFirst: true });
// @ts-expect-error a READ request's pages hold nothing yet
sink.writeTo({ fd, offset: 0 });
// @ts-expect-error so there is nothing to send
sink.sendTo({ fd });
// @ts-expect-error: a READ has nothing to send
sink.sendCopyTo({ fd });

const answering = (handle: RequestTarget["handle"]): RequestTarget => ({ handle });
answering(() => writing);
answering(() => all(writing, source.slice(512).writeTo({ fd: 4, offset: 0 })));
answering(() => chain(group(nop(), [writing, sending]), fsync({ fd })));
answering(async () => 4096);
answering(() => {});
// @ts-expect-error an operation that completes many times is never over
answering(() => recvMultishot({ fd, group: buffers }));
// @ts-expect-error what drains waits for the commands of the queue, for ever
answering(() => writing.drain());
// @ts-expect-error a promise tells of bytes, or of nothing
answering(async () => "done");
