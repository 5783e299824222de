import { RingCore } from "./core.ts";
import type { RawArgument } from "./operation.ts";
import { ACCEPT } from "./ops/accept.ts";
import { ACCEPT_MULTISHOT } from "./ops/accept-multishot.ts";
import { BIND, CONNECT, LISTEN, SHUTDOWN, SOCKET } from "./ops/connection.ts";
import { ASYNC_CANCEL, POLL_ADD, TIMEOUT } from "./ops/control.ts";
import { CLOSE, FALLOCATE, FSYNC, OPENAT } from "./ops/file.ts";
import { GETSOCKNAME } from "./ops/getsockname.ts";
import { NOP } from "./ops/nop.ts";
import { READ, READ_FIXED, READV, READV_FIXED } from "./ops/read.ts";
import { RECV } from "./ops/recv.ts";
import { RECV_MULTISHOT } from "./ops/recv-multishot.ts";
import { RECV_ZC } from "./ops/recv-zc.ts";
import { RECVMSG } from "./ops/recvmsg.ts";
import { RECVMSG_MULTISHOT } from "./ops/recvmsg-multishot.ts";
import { SEND, SEND_BUNDLE } from "./ops/send.ts";
import { SEND_ZC } from "./ops/send-zc.ts";
import { SENDMSG, SENDMSG_ZC } from "./ops/sendmsg.ts";
import { cmdSock } from "./ops/socket-command.ts";
import { URING_CMD, URING_CMD128 } from "./ops/uring-cmd.ts";
import { WRITE, WRITE_FIXED, WRITEV, WRITEV_FIXED } from "./ops/write.ts";

/** Every raw writer, by the name it has on {@link RawRing}; each comes from the declaration of its operation. */
const writers = {
  /** `IORING_OP_NOP`: flags (`IORING_NOP_*`), result to inject. */
  nop: NOP.raw,
  /** `IORING_OP_READ`: fd, address, length, offset (-1: the file's position), `RWF_*` flags. */
  read: READ.raw,
  /** `IORING_OP_READ_FIXED`: fd, address in the fixed buffer, length, offset, buffer index, `RWF_*` flags. */
  readFixed: READ_FIXED.raw,
  /** `IORING_OP_READV`: fd, address of the iovecs, their number, offset, `RWF_*` flags. */
  readv: READV.raw,
  /** `IORING_OP_READV_FIXED`: fd, address of the iovecs, their number, offset, buffer index, `RWF_*` flags. */
  readvFixed: READV_FIXED.raw,
  /** `IORING_OP_WRITE`: fd, address, length, offset (-1: the file's position), `RWF_*` flags. */
  write: WRITE.raw,
  /** `IORING_OP_WRITE_FIXED`: fd, address in the fixed buffer, length, offset, buffer index, `RWF_*` flags. */
  writeFixed: WRITE_FIXED.raw,
  /** `IORING_OP_WRITEV`: fd, address of the iovecs, their number, offset, `RWF_*` flags. */
  writev: WRITEV.raw,
  /** `IORING_OP_WRITEV_FIXED`: fd, address of the iovecs, their number, offset, buffer index, `RWF_*` flags. */
  writevFixed: WRITEV_FIXED.raw,
  /** `IORING_OP_FSYNC`: fd, flags (`IORING_FSYNC_*`). */
  fsync: FSYNC.raw,
  /** `IORING_OP_FALLOCATE`: fd, mode, offset, length. */
  fallocate: FALLOCATE.raw,
  /** `IORING_OP_OPENAT`: directory fd, address of the path, flags, mode, file-table slot + 1 or 0. */
  openat: OPENAT.raw,
  /** `IORING_OP_CLOSE`: fd, file-table slot + 1 or 0. */
  closeFd: CLOSE.raw,
  /** `IORING_OP_TIMEOUT`: address of the timespec, completions, flags (`IORING_TIMEOUT_*`). */
  timeout: TIMEOUT.raw,
  /** `IORING_OP_ASYNC_CANCEL`: fd, user_data in two words, flags (`IORING_ASYNC_CANCEL_*`). */
  cancel: ASYNC_CANCEL.raw,
  /** `IORING_OP_POLL_ADD`: fd, events. */
  poll: POLL_ADD.raw,
  /** `IORING_OP_ACCEPT`: fd, address of the sockaddr, of its length, `SOCK_*` flags, file-table slot + 1 or 0. */
  accept: ACCEPT.raw,
  /** `IORING_OP_ACCEPT`, multishot: fd, `SOCK_*` flags, `IORING_FILE_INDEX_ALLOC` or 0; the slot is declared "many". */
  acceptMultishot: ACCEPT_MULTISHOT.raw,
  /** `IORING_OP_BIND`: fd, address of the sockaddr, its length. */
  bind: BIND.raw,
  /** `IORING_OP_URING_CMD` of a socket: fd, command, level, option, address of the value, its length. */
  cmdSock,
  /** `IORING_OP_CONNECT`: fd, address of the sockaddr, its length. */
  connect: CONNECT.raw,
  /** `IORING_OP_URING_CMD` of a socket: fd, address of the sockaddr, of its length, 1 for the peer's. */
  getsockname: GETSOCKNAME.raw,
  /** `IORING_OP_LISTEN`: fd, backlog. */
  listen: LISTEN.raw,
  /** `IORING_OP_RECV`: fd, address, length, `MSG_*` flags, buffer index or group. */
  recv: RECV.raw,
  /** `IORING_OP_RECVMSG`: fd, address of the msghdr, `MSG_*` flags. */
  recvmsg: RECVMSG.raw,
  /** `IORING_OP_RECVMSG`, multishot: fd, address of the msghdr, buffer group, `MSG_*` flags; the slot is declared "many". */
  recvmsgMultishot: RECVMSG_MULTISHOT.raw,
  /** `IORING_OP_RECV`, multishot: fd, buffer group, `MSG_*` flags, most per shot, most in all; the slot is declared "many". */
  recvMultishot: RECV_MULTISHOT.raw,
  /** `IORING_OP_RECV_ZC`: fd, number of the receive queue, most in all; the slot is declared "many". */
  recvZc: RECV_ZC.raw,
  /** `IORING_OP_SEND`: fd, address, length, `MSG_*` flags, address of a sockaddr, its length, buffer index or group. */
  send: SEND.raw,
  /** `IORING_OP_SEND` of a bundle: fd, buffer group, most to send, `MSG_*` flags; the slot is declared "many". */
  sendBundle: SEND_BUNDLE.raw,
  /** `IORING_OP_SENDMSG`: fd, address of the msghdr, `MSG_*` flags. */
  sendmsg: SENDMSG.raw,
  /** `IORING_OP_SENDMSG_ZC`: fd, address of the msghdr, `MSG_*` flags, buffer index; the slot is declared "notify". */
  sendmsgZc: SENDMSG_ZC.raw,
  /** `IORING_OP_SEND_ZC`: as send; the slot is declared "notify". */
  sendZc: SEND_ZC.raw,
  /** `IORING_OP_SHUTDOWN`: fd, `SHUT_*`. */
  shutdown: SHUTDOWN.raw,
  /** `IORING_OP_SOCKET`: domain, type with `SOCK_*` flags, protocol, file-table slot + 1 or 0. */
  socket: SOCKET.raw,
  /** `IORING_OP_URING_CMD`: fd, command, address, four words of payload. */
  uringCmd: URING_CMD.raw,
  /** `IORING_OP_URING_CMD128`: fd, command, address, up to 20 words of payload. */
  uringCmd128: URING_CMD128.raw,
} as const;

type Writers = {
  readonly [Name in keyof typeof writers]: (typeof writers)[Name] extends (
    this: RingCore,
    slot: number,
    ...args: infer Args extends readonly (RawArgument | undefined)[]
  ) => void
    ? (slot: number, ...args: Args) => void
    : never;
};

/** The raw writers: positional, queueing without submitting. The first argument is always the slot. */
export interface RawRing extends Writers {}

/**
 * The raw layer of a ring: positional writers, a table of handlers, no allocation per operation.
 *
 * A slot names an operation in flight. `allocate(handler)` gives one; writing an operation with it arms it; its final CQE
 * frees it for the next operation, and `release` gives it back. `user_data` is the slot and a generation, so that a CQE of an
 * earlier operation is recognised. The writers (`nop`, `read`, ...) queue without submitting; {@link RingCore.enter | enter} submits and
 * waits, {@link RingCore.reap | reap} runs the handlers.
 *
 * The ring belongs to the thread that made it. In-flight memory must stay alive until the final CQE: this layer pins nothing.
 *
 * @example
 * ```ts
 * import { RawRing } from "uring-ublk/uring";
 * using ring = new RawRing({ entries: 8 });
 * let seen = 0;
 * const slot = ring.allocate(() => seen++);
 * ring.nop(slot);
 * ring.enter(1);
 * ring.reap();
 * console.log(seen); // 1
 * ```
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods are installed from the same table that types them
export class RawRing extends RingCore {
  static {
    Object.assign(RawRing.prototype, writers);
  }
}
