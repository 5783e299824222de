/** What the operations on sockets take, refuse and resolve to. */
import {
  type Accepted,
  accept,
  acceptDirect,
  acceptMultishot,
  acceptMultishotDirect,
  type BufferGroup,
  type Bundle,
  bind,
  type Chunk,
  type ControlMessage,
  connect,
  type Fd,
  FixedBuffer,
  FixedFile,
  getsockname,
  getsockopt,
  type HeldBundle,
  type HeldChunk,
  listen,
  type MessageChunk,
  type ReceivedMessage,
  type ReportedSend,
  Ring,
  recv,
  recvMultishot,
  recvmsg,
  recvmsgMultishot,
  recvZc,
  type SendGroup,
  type SocketAddress,
  send,
  sendBundle,
  sendmsg,
  sendmsgZc,
  sendZc,
  setsockopt,
  shutdown,
  siocinq,
  socket,
  socketDirect,
  txTimestamp,
  within,
  type ZeroCopySend,
} from "uring-ublk";
import { expectType, type Same } from "./expect-type.ts";

const ring = await Ring.open();
const fd: Fd = 3;
const slot = new FixedFile(3);
const buffer = new Uint8Array(8);
const buffers = [buffer];
const memory = new FixedBuffer(0, 0, 4096, "memory");
const source = new FixedBuffer(0, 0, 4096, "source");
const sink = new FixedBuffer(0, 0, 4096, "sink");
const group: BufferGroup = ring.bufferGroup({ buffers: 8, size: 1024 });
const outgoing: SendGroup = ring.sendGroup({ buffers: 8, size: 1024 });
const address: SocketAddress = { family: "ipv4", address: "127.0.0.1", port: 1 };

// Operations on an open socket take both kinds of descriptors.
for (const both of [fd, slot]) {
  bind({ fd: both, address });
  connect({ fd: both, address });
  listen({ fd: both });
  shutdown({ fd: both, how: 2 });
  accept({ fd: both });
  acceptMultishotDirect({ fd: both });
  sendmsg({ fd: both, buffers });
  recvmsg({ fd: both, buffers });
  siocinq({ fd: both });
  setsockopt({ fd: both, level: 1, name: 2, value: 1 });
  getsockname({ fd: both });
  recvZc({ fd: both, queue: 0 });
}
// @ts-expect-error making a socket takes none
socket({ fd, domain: 2, type: 1 });
// @ts-expect-error into the file table only with socketDirect
socket({ domain: 2, type: 1, slot });
// @ts-expect-error where to is not optional there
socketDirect({ domain: 2, type: 1 });
// @ts-expect-error a slot is not a number
acceptDirect({ fd, slot: 3 });
// @ts-expect-error a multishot accept chooses slots itself
acceptMultishotDirect({ fd, slot });

// Addresses are typed.
const unix: SocketAddress = { family: "unix", path: "/run/x" };
bind({ fd, address: unix });
// @ts-expect-error an address is not text
connect({ fd, address: "127.0.0.1:80" });
// @ts-expect-error there is no such family
connect({ fd, address: { family: "ipx", address: "1" } });
// @ts-expect-error an IP address has a port
connect({ fd, address: { family: "ipv4", address: "1.2.3.4" } });
// @ts-expect-error bind needs one
bind({ fd });

// Accepts resolve to a descriptor, or to one with its peer's address.
const plain = await ring.run(accept({ fd }));
expectType<Same<typeof plain, number>>();
const named = await ring.run(accept({ fd, address: true }));
expectType<Same<typeof named, Accepted<number>>>();
const direct = await ring.run(acceptDirect({ fd, slot: "any" }));
expectType<Same<typeof direct, FixedFile>>();
const directNamed = await ring.run(acceptDirect({ fd, slot, address: true }));
expectType<Same<typeof directNamed, Accepted<FixedFile>>>();
for await (const each of ring.run(acceptMultishot({ fd }))) expectType<Same<typeof each, number>>();
for await (const each of ring.run(acceptMultishotDirect({ fd }))) expectType<Same<typeof each, FixedFile>>();
// @ts-expect-error the kernel has one place for all peers' addresses: a multishot accept cannot tell them
acceptMultishot({ fd, address: true });
// @ts-expect-error a multishot accept waits
acceptMultishot({ fd, dontWait: true });

// What is sent: memory, a fixed buffer that is a source, or a group of buffers that were filled.
send({ fd, buffer });
send({ fd, buffer: memory, address });
send({ fd, buffer: source });
send({ fd, buffers });
send({ fd, group: outgoing });
sendZc({ fd, buffer: source, address });
sendmsgZc({ fd, buffers: [source, memory] });
// @ts-expect-error parts of a fixed buffer are for sendmsgZc
sendZc({ fd, buffers: [memory] });
// @ts-expect-error not even in parts
sendmsgZc({ fd, buffers: [sink] });
// @ts-expect-error either fixed buffers or memory
sendmsgZc({ fd, buffers: [memory, buffer] });
// @ts-expect-error data cannot be sent from a sink
send({ fd, buffer: sink });
// @ts-expect-error nor without copying
sendZc({ fd, buffer: sink });
// @ts-expect-error a group to receive into is no group to send from
send({ fd, group });
// @ts-expect-error a zero-copy send takes no group
sendZc({ fd, group: outgoing });
// @ts-expect-error nor does a message
sendmsg({ fd, group: outgoing });
// @ts-expect-error a bundle comes from a group
sendBundle({ fd, buffer });
// @ts-expect-error one or several, and not nothing
send({ fd });
// @ts-expect-error and not both
send({ fd, buffer, buffers });
// @ts-expect-error nor there
sendZc({ fd, buffer, buffers });
// @ts-expect-error a message's buffers are memory
sendmsg({ fd, buffers: [memory] });

// @ts-expect-error the kernel waits for the notification of a send that drains, before it begins it
sendZc({ fd, buffer }).drain();
// @ts-expect-error also within a limit
within(sendmsgZc({ fd, buffers }), 5).drain();
sendZc({ fd, buffer }).async();

const sent = await ring.run(sendZc({ fd, buffer }));
expectType<Same<typeof sent, ZeroCopySend>>();
const reported = await ring.run(sendZc({ fd, buffer, reportUsage: true }));
expectType<Same<typeof reported, ReportedSend>>();
expectType<Same<Awaited<typeof reported.released>, "zero-copy" | "copied">>();
const message = await ring.run(sendmsgZc({ fd, buffers, reportUsage: true }));
expectType<Same<typeof message, ReportedSend>>();
// @ts-expect-error only zero-copy sends report on copying
send({ fd, buffer, reportUsage: true });
for await (const bytes of ring.run(sendBundle({ fd, group: outgoing }))) expectType<Same<typeof bytes, number>>();

// What is received.
const count = await ring.run(recv({ fd, buffer }));
expectType<Same<typeof count, number>>();
recv({ fd, buffer: sink });
const chunk = await ring.run(recv({ fd, group }));
expectType<Same<typeof chunk, HeldChunk>>();
const bundle = await ring.run(recv({ fd, group, bundle: true }));
expectType<Same<typeof bundle, HeldBundle>>();
for await (const each of ring.run(recvMultishot({ fd, group, length: 10, total: 20 }))) expectType<Same<typeof each, Chunk>>();
for await (const each of ring.run(recvMultishot({ fd, group, bundle: true }))) expectType<Same<typeof each, Bundle>>();
for await (const each of ring.run(recvmsgMultishot({ fd, group }))) expectType<Same<typeof each, MessageChunk>>();
const received = await ring.run(recvmsg({ fd, buffers }));
expectType<Same<typeof received, ReceivedMessage>>();
expectType<Same<typeof received.control, readonly ControlMessage[]>>();
expectType<Same<typeof received.address, SocketAddress | undefined>>();
// @ts-expect-error data cannot be received into a source
recv({ fd, buffer: source });
// @ts-expect-error a group to send from is no group to receive into
recv({ fd, group: outgoing });
// @ts-expect-error a multishot receive needs a group
recvMultishot({ fd, buffer });
// @ts-expect-error a bundle needs a group
recv({ fd, buffer, bundle: true });
// @ts-expect-error messages come in buffers of their own
recvmsgMultishot({ fd, group, bundle: true });
// @ts-expect-error a receive has no address to go to
recv({ fd, buffer, address });
// @ts-expect-error and a multishot one is iterated
await ring.settle(recvmsgMultishot({ fd, group }));
// @ts-expect-error time stamps come one after the other
await ring.settle(txTimestamp({ fd }));

// Options of sockets are read into memory, and set from numbers too.
getsockopt({ fd, level: 1, name: 2, value: new Int32Array(1) });
setsockopt({ fd, level: 1, name: 2, value: new Int32Array(1) });
// @ts-expect-error an option is read into memory
getsockopt({ fd, level: 1, name: 2, value: 1 });
const own = await ring.run(getsockname({ fd }));
if (own.family === "ipv4") expectType<Same<typeof own.port, number>>();
// @ts-expect-error not every address has a port
void own.port;
