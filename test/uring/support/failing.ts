/** Operations that fail: at the kernel's hands, when they are carried out, not for what stands in the SQE. */
import {
  AF_INET,
  AF_UNIX,
  AT_REMOVEDIR,
  accept,
  acceptDirect,
  bind,
  cancel,
  close,
  closeDirect,
  connect,
  epollCtl,
  epollWait,
  FixedBuffer,
  FixedFile,
  fadvise,
  fallocate,
  fgetxattr,
  filesUpdate,
  fixedFdInstall,
  fsetxattr,
  fsync,
  ftruncate,
  futexWait,
  futexWaitv,
  getsockname,
  getsockopt,
  getxattr,
  linkat,
  listen,
  madvise,
  mkdirat,
  msgRing,
  msgRingFd,
  nop,
  nop128,
  type Operation,
  openat,
  openat2,
  openat2Direct,
  openatDirect,
  pipeDirect,
  poll,
  pollRemove,
  pollUpdate,
  read,
  readFixed,
  readMultishot,
  readProvided,
  readv,
  readvFixed,
  recv,
  recvmsg,
  removeBuffers,
  renameat,
  send,
  sendBundle,
  sendmsg,
  sendmsgZc,
  sendZc,
  setsockopt,
  setxattr,
  shutdown,
  siocinq,
  siocoutq,
  socket,
  socketDirect,
  splice,
  statx,
  symlinkat,
  syncFileRange,
  tee,
  timeout,
  timeoutRemove,
  timeoutUpdate,
  unlinkat,
  uringCmd,
  uringCmd128,
  waitid,
  write,
  writeFixed,
  writev,
  writevFixed,
} from "uring-ublk";
import { Arena, sys } from "uring-ublk/ffi";
import type { BufferGroup, RawRing, RingShape } from "uring-ublk/uring";
import type { SendGroup } from "../../../src/uring/send-group.ts";

/** An operation that fails, and what became of it. */
export interface Failing {
  readonly name: string;
  /** What goes wrong, where a name has several. */
  readonly how?: string;
  readonly write: Operation<unknown> | ((raw: RawRing, slot: number) => void);
  readonly since?: string;
  /** The first of the tested kernels that finds the mistake only when it begins; older ones do not take the SQE. */
  readonly takenSince?: string;
  readonly shape?: RingShape;
  /** Results other than an error: short, or -ETIME that is no failure. */
  readonly result?: number;
}

const MISSING = "/no/such/file";
const WAITALL = 0x100;
const BAD_ADDRESS = 1;
const buffer = new Uint8Array(8);
const arena = Arena.allocate(4096);
const words = new Int32Array(new SharedArrayBuffer(4));
const nowhere = { slot: 1, generation: 77 };
const none = { id: 4000 } as BufferGroup;
const outgoing = { id: 4000 } as unknown as SendGroup;
const unregistered = new FixedBuffer(0, arena.address, 64, "memory");
const address = { family: "ipv4", address: "127.0.0.1", port: 1 } as const;
const [slot0, slot1] = [new FixedFile(0), new FixedFile(1)];

/** A file of three bytes. */
const small = sys.memfdCreate("links");
sys.pwrite(small, Uint8Array.of(1, 2, 3), 0);
const [reader, writer] = sys.pipe();
/** A stream with two bytes in it. */
const [stream, peer] = sys.socketpair(AF_UNIX, 1);
sys.write(peer, Uint8Array.of(1, 2));
/** One whose other end is gone. */
const [ended, gone] = sys.socketpair(AF_UNIX, 1);
sys.close(gone);

/** A pipe that takes 64 KiB and then no more, without waiting. */
function full(): number {
  const [, end] = sys.pipe();
  sys.fcntl(end, 4, 0x800); // F_SETFL, O_NONBLOCK
  return end;
}
const PIPE_BYTES = 65536;
const tooMuch = new Uint8Array(100_000);
const [tasted, filled] = sys.pipe();
sys.write(filled, Uint8Array.of(1, 2, 3));

/** A transfer with a registered buffer. */
const registered = (name: string, write: (raw: RawRing, slot: number, address: number) => void, result: number): Failing => ({
  name,
  how: "short",
  result,
  write: (raw, slot) => {
    raw.register.sparseBuffers(1);
    raw.register.updateBuffers(0, [{ address: large.address, length: large.length }]);
    write(raw, slot, large.address);
  },
});
const large = Arena.allocate(2 * PIPE_BYTES);

let alone = -1;
/** A socket that is connected to nothing, made by a ring: none of the library's own calls makes one. */
function unconnected(raw: RawRing): number {
  if (alone >= 0) return alone;
  const slot = raw.allocate((fd) => {
    alone = fd;
  });
  raw.socket(slot, AF_INET, 1, 0);
  raw.enter(1);
  raw.reap();
  raw.release(slot);
  return alone;
}

const of = (operation: Operation<unknown>, more: Partial<Failing> = {}): Failing => ({ name: operation.name, write: operation, ...more });

const kept: unknown[] = [];

/** One that is made for every trial. */
const anew = (make: () => Operation<unknown>, more: Partial<Failing>): Failing => ({
  name: make().name,
  write: (raw, slot) => void kept.push(make().encode(raw, slot)),
  ...more,
});

/** Those whose failure severs a soft link. */
export const SEVERING: readonly Failing[] = [
  of(read({ fd: small, buffer, offset: 0 }), { how: "short", result: 3 }),
  of(read({ fd: small, buffer, offset: 3 }), { how: "at the end", result: 0 }),
  of(read({ fd: writer, buffer }), { how: "of what is not open for it" }),
  of(readv({ fd: small, buffers: [buffer, buffer], offset: 0 }), { how: "short", result: 3 }),
  of(readFixed({ fd: small, buffer: unregistered, offset: 0 }), { takenSince: "6.16" }),
  registered("readFixed", (raw, slot, address) => raw.readFixed(slot, small, address, 8, 0, 0, 0), 3),
  of(readvFixed({ fd: small, buffers: [unregistered], offset: 0 }), { since: "6.15" }),
  of(readProvided({ fd: small, group: none, offset: 0 })),
  of(readMultishot({ fd: small, group: none }), { since: "6.7" }),
  of(write({ fd: reader, buffer, offset: 0 })),
  anew(() => write({ fd: full(), buffer: tooMuch }), { how: "short", result: PIPE_BYTES }),
  anew(() => writev({ fd: full(), buffers: [tooMuch] }), { how: "short", result: PIPE_BYTES }),
  registered("writeFixed", (raw, slot, address) => raw.writeFixed(slot, full(), address, 2 * PIPE_BYTES, -1, 0, 0), PIPE_BYTES),
  of(writev({ fd: reader, buffers: [buffer], offset: 0 })),
  of(writeFixed({ fd: small, buffer: unregistered, offset: 0 }), { takenSince: "6.16" }),
  of(writevFixed({ fd: small, buffers: [unregistered], offset: 0 }), { since: "6.15" }),
  of(splice({ fdIn: small, fdOut: small, length: 5 })),
  of(splice({ fdIn: small, offsetIn: 3, fdOut: writer, length: 5 }), { how: "short", result: 0 }),
  of(tee({ fdIn: small, fdOut: small, length: 5 })),
  of(tee({ fdIn: tasted, fdOut: writer, length: 5 }), { how: "short", result: 3 }),
  of(openat({ path: MISSING })),
  of(openatDirect({ path: MISSING, slot: "any" })),
  of(openat2({ path: MISSING })),
  of(openat2Direct({ path: MISSING, slot: slot0 })),
  of(close({ fd: 9999 })),
  of(closeDirect({ slot: slot1 })),
  of(fadvise({ fd: small, advice: 99 })),
  { name: "pipe", since: "6.16", write: (raw, slot) => raw.pipe(slot, BAD_ADDRESS, 0, 0) },
  of(pipeDirect({ slot: new FixedFile(99) }), { since: "6.16" }),
  of(filesUpdate({ slot: slot0, fds: [9999] })),
  of(fixedFdInstall({ slot: slot1 }), { since: "6.8" }),
  of(epollCtl({ epfd: small, fd: reader, change: "add", events: 1 })),
  of(epollWait({ epfd: small }), { since: "6.15" }),
  of(socket({ domain: 44, type: 1 })),
  of(socketDirect({ domain: 44, type: 1, slot: "any" })),
  of(bind({ fd: small, address }), { since: "6.11" }),
  of(listen({ fd: small }), { since: "6.11" }),
  of(connect({ fd: small, address })),
  of(accept({ fd: small })),
  of(acceptDirect({ fd: small, slot: "any" })),
  of(shutdown({ fd: small, how: 1 }), { how: "of what is no socket" }),
  of(getsockname({ fd: small }), { since: "6.19" }),
  of(getsockopt({ fd: small, level: 1, name: 3, value: buffer }), { since: "6.7" }),
  of(setsockopt({ fd: small, level: 1, name: 3, value: buffer }), { since: "6.7" }),
  of(siocinq({ fd: small }), { since: "6.5" }),
  of(siocoutq({ fd: small }), { since: "6.5" }),
  of(send({ fd: small, buffer })),
  of(sendBundle({ fd: small, group: outgoing }), { since: "6.10" }),
  of(sendZc({ fd: small, buffer })),
  of(sendmsg({ fd: small, buffers: [buffer] })),
  of(sendmsgZc({ fd: small, buffers: [buffer] }), { since: "6.1" }),
  of(recv({ fd: small, buffer })),
  of(recv({ fd: ended, buffer, flags: WAITALL }), { how: "at the end with MSG_WAITALL", result: 0 }),
  of(recvmsg({ fd: ended, buffers: [buffer], flags: WAITALL }), { how: "at the end with MSG_WAITALL", result: 0 }),
  of(timeout({ ms: 0.1 })),
  of(timeoutUpdate({ target: nowhere, ms: 1 })),
  of(timeoutRemove({ target: nowhere })),
  of(poll({ fd: 9999, events: 1 })),
  of(pollUpdate({ target: nowhere, events: 1 })),
  of(pollRemove({ target: nowhere })),
  of(cancel({ target: nowhere })),
  of(waitid({ type: "pid", id: 1, options: 4 }), { since: "6.7" }),
  of(futexWait({ words, value: 1 }), { since: "6.7" }),
  of(futexWaitv({ futexes: [{ words, value: 1 }] }), { since: "6.7" }),
  { name: "futexWake", since: "6.7", write: (raw, slot) => raw.futexWake(slot, BAD_ADDRESS, 1, 0xffff_ffff, 0x82, 0) },
  of(msgRing({ to: { fd: small, ...nowhere } })),
  of(msgRingFd({ to: { fd: small, ...nowhere }, source: slot0, slot: "any" })),
  of(uringCmd({ fd: small, cmdOp: 1 })),
  of(uringCmd128({ fd: small, cmdOp: 1 }), { shape: { sqe: 128 } }),
  {
    name: "provideBuffers",
    write(raw, slot) {
      raw.register.bufferRing(7, arena, 1);
      raw.provideBuffers(slot, arena.address, 64, 1, 7, 0); // the number is one of the newer kind
    },
  },
  of(removeBuffers({ group: 4000, buffers: 1 })),
  of(nop({ result: -5 }), { since: "6.10" }),
  of(nop128({ result: -5 }), { since: "6.10", shape: { sqe: 128 } }),
];

/** Those behind which everything goes on. */
export const LENIENT: readonly Failing[] = [
  of(fsync({ fd: reader })),
  of(syncFileRange({ fd: reader })),
  of(fallocate({ fd: reader, offset: 0, length: 1 })),
  of(ftruncate({ fd: reader, length: 0 }), { since: "6.9" }),
  of(madvise({ memory: arena.bytes(), advice: 999 })),
  of(statx({ path: MISSING })),
  of(unlinkat({ path: MISSING })),
  of(unlinkat({ path: "/etc/passwd", flags: AT_REMOVEDIR }), { how: "of the wrong kind" }),
  of(renameat({ oldPath: MISSING, newPath: `${MISSING}2` })),
  of(mkdirat({ path: "/etc/passwd" })),
  of(symlinkat({ target: "x", path: "/etc/passwd" })),
  of(linkat({ oldPath: MISSING, newPath: `${MISSING}2` })),
  of(getxattr({ path: MISSING, name: "user.a", buffer })),
  of(setxattr({ path: MISSING, name: "user.a", value: buffer })),
  of(fgetxattr({ fd: small, name: "user.a", buffer })),
  of(fsetxattr({ fd: small, name: "nonsense", value: buffer })),
  {
    name: "shutdown",
    how: "of an unconnected socket",
    write: (raw, slot) => raw.shutdown(slot, unconnected(raw), 1),
  },
  of(timeout({ ms: 0.1, etimeSuccess: true }), { how: "that may elapse", result: -62 }),
  of(recv({ fd: stream, buffer }), { how: "short", result: 2 }),
  of(recv({ fd: ended, buffer }), { how: "at the end", result: 0 }),
  of(recvmsg({ fd: ended, buffers: [buffer] }), { how: "at the end", result: 0 }),
];
