import type { Memory } from "../../ffi/index.ts";
import { IORING_OP_RECVMSG } from "../abi.ts";
import { type ControlMessage, decodeControl } from "../control-message.ts";
import type { Lowering } from "../lowering.ts";
import { declare, Operation } from "../operation.ts";
import { checkInteger } from "../options.ts";
import { decodeSocketAddress, type SocketAddress } from "../socket-address.ts";
import { MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_TRUNC } from "../socket-constants.ts";
import { msghdr } from "../structs.ts";
import { closeDescriptors } from "./descriptors.ts";
import { TRANSFER, type TransferBase, transfer } from "./message-options.ts";
import { vectorsOf } from "./vectors.ts";

/** What came with received data, besides the data. */
export interface MessageInfo {
  /** Who sent it; undefined on a connected stream, which does not tell. */
  readonly address: SocketAddress | undefined;
  /** The control messages that came with it. Descriptors among them are the receiver's to close ({@link descriptorsOf}). */
  readonly control: readonly ControlMessage[];
  /** `MSG_*` flags the kernel set: MSG_TRUNC, MSG_CTRUNC, MSG_EOR, MSG_OOB, MSG_ERRQUEUE. */
  readonly flags: number;
  /** Data was cut off, because the buffers were too small for the datagram (MSG_TRUNC). */
  readonly truncated: boolean;
  /** Control messages were cut off, because `control` was too small for them (MSG_CTRUNC). */
  readonly controlTruncated: boolean;
}

/** What {@link recvmsg} resolves to. */
export interface ReceivedMessage extends MessageInfo {
  /** Bytes received into the buffers. */
  readonly bytes: number;
}

/** Options of {@link recvmsg}. */
export interface RecvmsgOptions extends TransferBase {
  /** Filled in order; 1 to 1024. */
  buffers: readonly Memory[];
  /** Bytes to have for control messages, as {@link controlSpace} counts them. Default 0: none are received. */
  control?: number;
}

const CONTROL_MAX = 65536;
export const NAME_BYTES = 128; // sizeof(struct sockaddr_storage)
const NAME_AT = 64;
const CONTROL_AT = NAME_AT + NAME_BYTES;

/** The size of the control buffer, whole words of it. */
export const controlBytes = (control: number | undefined, l: Lowering): number =>
  control === undefined
    ? 0
    : Math.ceil(checkInteger(l.name, "control", control, 0, CONTROL_MAX, "bytes; controlSpace() counts them") / 8) * 8;

/** What the kernel tells of a message, from the bytes of its name and its control buffer. */
export function messageInfo(name: Uint8Array, control: Uint8Array, flags: number): MessageInfo {
  return {
    address: name.length === 0 ? undefined : decodeSocketAddress(name),
    control: decodeControl(control),
    flags: flags & ~MSG_CMSG_CLOEXEC,
    truncated: (flags & MSG_TRUNC) !== 0,
    controlTruncated: (flags & MSG_CTRUNC) !== 0,
  };
}

function received({ output }: Lowering): MessageInfo {
  const part = (at: number, length: number): Uint8Array => new Uint8Array(output.buffer, at, length);
  const name = Math.min(msghdr.get(output, "msg_namelen"), NAME_BYTES);
  return messageInfo(part(NAME_AT, name), part(CONTROL_AT, msghdr.get(output, "msg_controllen")), msghdr.get(output, "msg_flags"));
}

export const RECVMSG = declare({
  name: "recvmsg",
  opcode: IORING_OP_RECVMSG,
  syscall: "recvmsg(2)",
  since: "5.3",
  completions: "one",
  options: ["buffers", "control", ...TRANSFER],
  raw(slot: number, fd: number, message: number, flags: number) {
    this.prep(IORING_OP_RECVMSG, slot, fd, 0, message, 1, flags, 0, 0, 0);
  },
  lower(o: RecvmsgOptions, l) {
    const [fd, flags] = transfer(o, l, MSG_CMSG_CLOEXEC);
    const control = controlBytes(o.control, l);
    const message = l.allocate(CONTROL_AT + control);
    msghdr.set(l.output, "msg_name", message + NAME_AT);
    msghdr.set(l.output, "msg_namelen", NAME_BYTES);
    msghdr.set(l.output, "msg_iov", vectorsOf(o.buffers, l));
    msghdr.set(l.output, "msg_iovlen", o.buffers.length);
    if (control > 0) msghdr.set(l.output, "msg_control", message + CONTROL_AT);
    msghdr.set(l.output, "msg_controllen", control);
    return [fd, message, flags];
  },
  result: (bytes: number, _flags, _o: RecvmsgOptions, l): ReceivedMessage => ({ bytes, ...received(l) }),
  discard: (_result, _flags, _o, _ring, l) => closeDescriptors(received(l).control),
});

/**
 * Receives a message into several buffers, with its sender and its control messages: `IORING_OP_RECVMSG`, since 5.3; as `recvmsg(2)`
 * with MSG_CMSG_CLOEXEC. Resolves to a {@link ReceivedMessage}.
 *
 * Errors: as {@link recv}. The buffers belong to the kernel until it completes; descriptors that arrive after an abort are closed. In
 * a link an error severs, with MSG_WAITALL also a short or truncated message.
 *
 * @example
 * ```ts
 * import { bind, recvmsg, Ring, send, socket, socketName } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(socket({ domain: 2, type: 2 })); // AF_INET, SOCK_DGRAM
 * await ring.run(bind({ fd, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * await ring.run(send({ fd, address: socketName(fd), buffer: new Uint8Array(10) }));
 * const message = await ring.run(recvmsg({ fd, buffers: [new Uint8Array(4), new Uint8Array(4)] }));
 * console.log(message.bytes, message.truncated, message.address?.family); // 8 true ipv4
 * sys.close(fd);
 * ```
 */
export const recvmsg = (options: RecvmsgOptions): Operation<ReceivedMessage> => new Operation(RECVMSG, options);
