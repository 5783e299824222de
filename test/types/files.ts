/** The operations on files: what they take, what they resolve to, and what the kernel would refuse. */
import {
  type BufferGroup,
  type ChildStatus,
  type Chunk,
  type EpollEvent,
  epollCtl,
  epollWait,
  type Fd,
  FixedBuffer,
  FixedFile,
  type FullRead,
  fadvise,
  fallocate,
  fgetxattr,
  filesUpdate,
  fixedFdInstall,
  fsync,
  ftruncate,
  futexWait,
  futexWaitv,
  futexWake,
  getxattr,
  type HeldChunk,
  ioPriority,
  linkat,
  madvise,
  mkdirat,
  openat2,
  openat2Direct,
  type PipeEnds,
  pipe,
  pipeDirect,
  provideBuffers,
  Ring,
  read,
  readAll,
  readFixed,
  readMultishot,
  readProvided,
  readv,
  renameat,
  type Stat,
  setxattr,
  splice,
  statx,
  symlinkat,
  syncFileRange,
  tee,
  unlinkat,
  waitid,
  write,
  writeAll,
  writeFixed,
} from "uring-ublk";
import { Arena } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";
import { expectType, type Same } from "./expect-type.ts";

const ring = await Ring.open();
const group: BufferGroup = ring.bufferGroup({ buffers: 8, size: 1024 });
const slot = new FixedFile(3);
const buffer = new Uint8Array(8);
const shared = new Int32Array(new SharedArrayBuffer(8));
const path = "/tmp/x";

// What they resolve to.
const stat = await ring.run(statx({ path }));
expectType<Same<typeof stat, Stat>>();
expectType<Same<typeof stat.size, number>>();
expectType<Same<typeof stat.inodeExact, bigint>>();
const ends = await ring.run(pipe());
expectType<Same<typeof ends, PipeEnds<Fd>>>();
const slots = await ring.run(pipeDirect({ slot: "any" }));
expectType<Same<typeof slots.reader, FixedFile>>();
const files = await ring.run(filesUpdate({ slot: "any", fds: [3] }));
expectType<Same<typeof files, FixedFile[]>>();
const installed = await ring.run(fixedFdInstall({ slot }));
expectType<Same<typeof installed, number>>();
const opened = await ring.run(openat2Direct({ path, slot }));
expectType<Same<typeof opened, FixedFile>>();
const events = await ring.run(epollWait({ epfd: 3 }));
expectType<Same<typeof events, EpollEvent[]>>();
const child = await ring.run(waitid({ type: "all", options: 4 }));
expectType<Same<typeof child, ChildStatus | undefined>>();
const woken = await ring.run(futexWait({ words: shared, value: 0 }));
expectType<Same<typeof woken, "ok" | "not-equal">>();
const which = await ring.run(futexWaitv({ futexes: [{ words: shared, value: 0 }] }));
expectType<Same<typeof which, number | "not-equal">>();
using piece = await ring.run(readProvided({ fd: slot, group, offset: 0 }));
expectType<Same<typeof piece, HeldChunk>>();
for await (const chunk of ring.run(readMultishot({ fd: slot, group }))) expectType<Same<typeof chunk, Chunk>>();
const full = await readAll(ring, { fd: slot, buffer });
expectType<Same<typeof full, FullRead>>();

// A multishot read is iterated; a read into a group's buffer is awaited.
// @ts-expect-error it has no single value
void (await ring.run(readMultishot({ fd: 3, group })).bytes);
// @ts-expect-error nor can it be settled
void ring.settle(readMultishot({ fd: 3, group }));
// @ts-expect-error the group's buffers lie where they lie: there is no own buffer
readProvided({ fd: 3, group, buffer });
// @ts-expect-error a multishot read has no offset: it goes on where the file is
readMultishot({ fd: 3, group, offset: 0 });
// @ts-expect-error nor a length: each read takes what a buffer holds
readMultishot({ fd: 3, group, length: 10 });

// Buffers of a group: only where the kernel can choose one.
// @ts-expect-error a read into memory has memory
read({ fd: 3, group });
// @ts-expect-error data to write is not chosen by the kernel
write({ fd: 3, group });
// @ts-expect-error a fixed buffer is not chosen either
readFixed({ fd: 3, group });
// @ts-expect-error nor are several
readv({ fd: 3, group, offset: 0 });
// @ts-expect-error the older kind of group has a number, the newer its object
provideBuffers({ group, memory: Arena.allocate(4096), size: 1024 });
// @ts-expect-error memory that the collector may free cannot be lent beyond the CQE
provideBuffers({ group: 1, memory: buffer, size: 1 });
// @ts-expect-error a number is no BufferGroup
readProvided({ fd: 3, group: 1 });

// Open files may be slots ...
for (const fd of [3, slot]) {
  fadvise({ fd, advice: 1 });
  fallocate({ fd, offset: 0, length: 1 });
  fgetxattr({ fd, name: "user.a", buffer });
  fsync({ fd });
  ftruncate({ fd, length: 1 });
  syncFileRange({ fd });
  splice({ fdIn: fd, fdOut: fd, length: 1 });
  tee({ fdIn: fd, fdOut: fd, length: 1 });
  epollWait({ epfd: fd });
}
// ... but not where the kernel answers EBADF to one.
// @ts-expect-error a directory is a descriptor
statx({ path, dirfd: slot });
// @ts-expect-error a directory is a descriptor
openat2({ path, dirfd: slot });
// @ts-expect-error a directory is a descriptor
unlinkat({ path, dirfd: slot });
// @ts-expect-error a directory is a descriptor
mkdirat({ path, dirfd: slot });
// @ts-expect-error a directory is a descriptor
symlinkat({ target: "a", path, dirfd: slot });
// @ts-expect-error both directories are
renameat({ oldPath: "a", newPath: "b", newDirfd: slot });
// @ts-expect-error both directories are
linkat({ oldPath: "a", newPath: "b", oldDirfd: slot });
// @ts-expect-error attributes are found by path, or with fgetxattr
getxattr({ fd: slot, name: "user.a", buffer });
// @ts-expect-error attributes are set by path, or with fsetxattr
setxattr({ fd: slot, name: "user.a", value: buffer });
// @ts-expect-error epoll_ctl knows no slots
epollCtl({ epfd: slot, fd: 3, change: "add", events: 1 });
// @ts-expect-error nor for what it watches
epollCtl({ epfd: 3, fd: slot, change: "add", events: 1 });
// @ts-expect-error what is installed is a slot
fixedFdInstall({ slot: 3 });
// @ts-expect-error what goes into the table is a descriptor
filesUpdate({ slot: "any", fds: [slot] });
// @ts-expect-error a place is a slot or "any"
pipeDirect({ slot: 3 });
// @ts-expect-error a pipe has ordinary descriptors, or is made by pipeDirect
pipe({ slot });

// What only some transfers have.
write({ fd: 3, buffer, writeStream: 1, ioprio: ioPriority("idle"), protection: { buffer, check: ["guard"] } });
// @ts-expect-error a read has no write stream
read({ fd: 3, buffer, writeStream: 1 });
// @ts-expect-error there is no such class
ioPriority("fast");
// @ts-expect-error there is no such check
read({ fd: 3, buffer, protection: { buffer, check: ["checksum"] } });
// @ts-expect-error a child is named by a kind
waitid({ type: "process", options: 4 });
// @ts-expect-error futexes are words of 32 bits
futexWake({ words: new Float64Array(1) });
// @ts-expect-error advice about memory is about memory
madvise({ memory: new FixedBuffer(0, 0, 4096, "memory"), advice: 1 });

// The whole of a fixed buffer goes the way that its data may go.
void readAll(ring, { fd: 3, buffer: new FixedBuffer(0, 0, 4096, "sink") });
void writeAll(ring, { fd: 3, buffer: new FixedBuffer(0, 0, 4096, "source") });
// @ts-expect-error data cannot be read into a source
void readAll(ring, { fd: 3, buffer: new FixedBuffer(0, 0, 4096, "source") });
// @ts-expect-error data cannot be written from a sink
void writeAll(ring, { fd: 3, buffer: new FixedBuffer(0, 0, 4096, "sink") });
writeFixed({ fd: 3, buffer: new FixedBuffer(0, 0, 4096, "memory"), writeStream: 3 });

// The raw layer takes positions.
const raw = new RawRing({ entries: 8 });
const inFlight = raw.allocate(() => {});
raw.statx(inFlight, -100, 0, 0, 0x7ff, 0);
raw.splice(inFlight, 3, -1, 4, -1, 4096, 0);
// @ts-expect-error an offset is missing
raw.splice(inFlight, 3, -1, 4, 4096, 0);
// @ts-expect-error an address is a number
raw.statx(inFlight, -100, path, 0, 0x7ff, 0);
