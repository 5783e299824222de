import { ACCEPT } from "../ops/accept.ts";
import { ACCEPT_MULTISHOT } from "../ops/accept-multishot.ts";
import { BIND, CONNECT, LISTEN, SHUTDOWN, SOCKET } from "../ops/connection.ts";
import { GETSOCKNAME } from "../ops/getsockname.ts";
import { RECV } from "../ops/recv.ts";
import { RECV_MULTISHOT } from "../ops/recv-multishot.ts";
import { RECV_ZC } from "../ops/recv-zc.ts";
import { RECVMSG } from "../ops/recvmsg.ts";
import { RECVMSG_MULTISHOT } from "../ops/recvmsg-multishot.ts";
import { SEND, SEND_BUNDLE } from "../ops/send.ts";
import { SEND_ZC } from "../ops/send-zc.ts";
import { SENDMSG, SENDMSG_ZC } from "../ops/sendmsg.ts";
import { cmdSock } from "../ops/socket-command.ts";

/** Raw writers of sockets. Each comes from the declaration of its operation. */
export const socketWriters = {
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
} as const;
