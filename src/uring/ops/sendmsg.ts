import type { Memory } from "../../ffi/index.ts";
import { IORING_OP_SENDMSG, IORING_OP_SENDMSG_ZC, IORING_RECVSEND_FIXED_BUF } from "../abi.ts";
import { type ControlMessage, encodeControl } from "../control-message.ts";
import { FixedBuffer, type FixedSource } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { count, declare, Operation, type UndrainableOperation } from "../operation.ts";
import type { SocketAddress } from "../socket-address.ts";
import { MSG_NOSIGNAL } from "../socket-constants.ts";
import { msghdr } from "../structs.ts";
import { destination, TRANSFER, type TransferBase, transfer } from "./message-options.ts";
import { type ReportedSend, sentBytes, usage, type ZeroCopyBase, type ZeroCopySend, zeroCopy } from "./send-zc.ts";
import { fixedVectorsOf, vectorsOf } from "./vectors.ts";

/** What goes with the data of a whole message. */
export interface MessageParts {
  /** Where to; a connected socket needs none. */
  address?: SocketAddress;
  /** Control messages to go with the data: descriptors, options of the packet. */
  control?: readonly ControlMessage[];
}

/** Options of {@link sendmsg}. */
export interface SendmsgOptions extends MessageParts, TransferBase {
  /** The data, in order; 1 to 1024 buffers. */
  buffers: readonly Memory[];
}
/** Options of {@link sendmsgZc}. */
export interface SendmsgZcOptions extends MessageParts, ZeroCopyBase {
  /** The data, in order: 1 to 1024 pieces of memory, or parts of one fixed buffer (`RECVSEND_FIXED_BUF`, 6.15). */
  buffers: readonly Memory[] | readonly FixedSource[];
}

/** Builds the msghdr, and keeps all it points to until the final CQE. Answers its address. */
function messageOf(o: MessageParts, vectors: number, count: number, l: Lowering): number {
  const [name, nameLength] = destination(o.address, l);
  const [control, controlLength] = encodeControl(o.control, l);
  return l.memory(
    msghdr.build({
      msg_name: name,
      msg_namelen: nameLength,
      msg_iov: vectors,
      msg_iovlen: count,
      msg_control: control,
      msg_controllen: controlLength,
    }),
  );
}

export const SENDMSG = declare({
  name: "sendmsg",
  opcode: IORING_OP_SENDMSG,
  syscall: "sendmsg(2)",
  since: "5.3",
  completions: "one",
  options: ["buffers", "address", "control", ...TRANSFER],
  raw(slot: number, fd: number, message: number, flags: number) {
    this.prep(IORING_OP_SENDMSG, slot, fd, 0, message, 1, flags, 0, 0, 0);
  },
  lower(o: SendmsgOptions, l) {
    const [fd, flags] = transfer(o, l, MSG_NOSIGNAL);
    return [fd, messageOf(o, vectorsOf(o.buffers, l), o.buffers.length, l), flags];
  },
  result: count,
});

/**
 * Sends a message of several buffers, with an address and control messages: `IORING_OP_SENDMSG`, since 5.3; as `sendmsg(2)` with
 * MSG_NOSIGNAL. Resolves to the bytes sent.
 *
 * Errors: as {@link send}; EINVAL, EPERM, EBADF (the control messages). The buffers belong to the kernel until it completes; address
 * and control messages are copied. In a link only an error severs, with MSG_WAITALL everything short of the whole length.
 *
 * @example
 * ```ts
 * import { recv, Ring, sendmsg } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [near, far] = sys.socketpair(1, 1);
 * const encoder = new TextEncoder();
 * console.log(await ring.run(sendmsg({ fd: near, buffers: [encoder.encode("head"), encoder.encode("body")] }))); // 8
 * console.log(await ring.run(recv({ fd: far, buffer: new Uint8Array(16) }))); // 8
 * for (const fd of [near, far]) sys.close(fd);
 * ```
 */
export const sendmsg = (options: SendmsgOptions): Operation<number> => new Operation(SENDMSG, options);

/** The vectors of memory, or of parts of one fixed buffer: their address, and the buffer's index. */
function gathered(buffers: readonly Memory[] | readonly FixedSource[], l: Lowering): [address: number, index: number] {
  if (!(buffers?.[0] instanceof FixedBuffer)) return [vectorsOf(buffers as readonly Memory[], l), 0];
  const parts = buffers as readonly FixedSource[];
  if (!parts.every((part) => part instanceof FixedBuffer))
    throw new TypeError(`${l.name}: buffers mixes fixed buffers and memory; use one kind`);
  l.ioprio |= IORING_RECVSEND_FIXED_BUF;
  return fixedVectorsOf(parts, l);
}

export const SENDMSG_ZC = declare({
  name: "sendmsgZc",
  opcode: IORING_OP_SENDMSG_ZC,
  syscall: "sendmsg(2)",
  since: "6.1",
  completions: "notify",
  options: ["buffers", "address", "control", "reportUsage", ...TRANSFER],
  hints: { EOPNOTSUPP: "the socket cannot send without copying: TCP and UDP can, unix sockets cannot; use sendmsg" },
  raw(slot: number, fd: number, message: number, flags: number, index: number = 0) {
    this.prep(IORING_OP_SENDMSG_ZC, slot, fd, 0, message, 1, flags, index, 0, 0);
  },
  lower(o: SendmsgZcOptions, l) {
    const [fd, flags] = zeroCopy(o, l);
    const [vectors, index] = gathered(o.buffers, l);
    return [fd, messageOf(o, vectors, o.buffers.length, l), flags, index];
  },
  result: sentBytes,
  notified: (result, o) => usage(result, o),
});

/**
 * Sends a message of several buffers without copying: `IORING_OP_SENDMSG_ZC`, since 6.1; as `sendmsg(2)` with MSG_ZEROCOPY and
 * MSG_NOSIGNAL. Resolves to its `bytes` on the result; its promise `released` resolves on the notification, until which the buffers stay
 * pinned and must not change, and tells with `reportUsage` whether the kernel had to copy.
 *
 * Errors: as {@link sendZc}. In a link only an error severs, with MSG_WAITALL everything short of the whole length.
 *
 * @example
 * ```ts
 * import { bind, recv, Ring, sendmsgZc, socket, socketName } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(socket({ domain: 2, type: 2 })); // AF_INET, SOCK_DGRAM
 * await ring.run(bind({ fd, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * const buffers = [new Uint8Array(10), new Uint8Array(20)];
 * const { bytes, released } = await ring.run(sendmsgZc({ fd, buffers, address: socketName(fd) }));
 * await ring.run(recv({ fd, buffer: new Uint8Array(30) }));
 * await released; // only now may the buffers change
 * console.log(bytes); // 30
 * sys.close(fd);
 * ```
 */
export function sendmsgZc(options: SendmsgZcOptions & { reportUsage: true }): UndrainableOperation<ReportedSend>;
export function sendmsgZc(options: SendmsgZcOptions & { reportUsage?: false }): UndrainableOperation<ZeroCopySend>;
export function sendmsgZc(options: SendmsgZcOptions): UndrainableOperation<ZeroCopySend | ReportedSend>;
export function sendmsgZc(options: SendmsgZcOptions): UndrainableOperation<ZeroCopySend | ReportedSend> {
  return new Operation(SENDMSG_ZC, options) as Operation<ZeroCopySend | ReportedSend> as UndrainableOperation<ZeroCopySend | ReportedSend>;
}
