import { IORING_CQE_F_MORE, IORING_OP_RECVMSG, IORING_RECV_MULTISHOT, IOSQE_BUFFER_SELECT } from "../abi.ts";
import type { BufferGroup, Lease } from "../buffer-group.ts";
import type { Lowering } from "../lowering.ts";
import { declare, MultishotOperation } from "../operation.ts";
import { checkBoolean } from "../options.ts";
import { MSG_CMSG_CLOEXEC } from "../socket-constants.ts";
import { io_uring_recvmsg_out, msghdr } from "../structs.ts";
import { closeDescriptors } from "./descriptors.ts";
import { multishotTransfer, TRANSFER, type TransferBase } from "./message-options.ts";
import { controlBytes, type MessageInfo, messageInfo, NAME_BYTES } from "./recvmsg.ts";

/** A message that {@link recvmsgMultishot} received. */
export interface MessageChunk extends MessageInfo {
  /** The data. Valid until the iteration's next step, which gives the buffer back. */
  readonly bytes: Uint8Array;
  /** A copy of the data that stays. */
  keep(): Uint8Array;
}

/** Options of {@link recvmsgMultishot}. */
export interface RecvmsgMultishotOptions extends TransferBase {
  /** Where the kernel takes buffers from. Each also holds 16 bytes of header, 128 for the address, and `control`. */
  group: BufferGroup;
  /** Bytes to have for control messages, as {@link controlSpace} counts them. Default 0: none are received. */
  control?: number;
  /** Whether to tell who sent a message. Default true. */
  address?: boolean;
}

const HEADER = io_uring_recvmsg_out.size;

const NO_MESSAGE = io_uring_recvmsg_out.allocate(); // a CQE without a buffer

const nameRoom = ({ address = true }: RecvmsgMultishotOptions): number => (address ? NAME_BYTES : 0);

/** A message in a buffer: `struct io_uring_recvmsg_out`, the room for the name, the room for control messages, the payload. */
class MessageInBuffer implements MessageChunk {
  readonly bytes: Uint8Array;
  readonly address: MessageInfo["address"];
  readonly control: MessageInfo["control"];
  readonly flags: number;
  readonly truncated: boolean;
  readonly controlTruncated: boolean;
  readonly #lease: Lease;

  constructor(lease: Lease, room: number, control: number) {
    const { bytes } = lease;
    const view = bytes.length < HEADER ? NO_MESSAGE : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const told = (field: "namelen" | "controllen" | "flags"): number => io_uring_recvmsg_out.get(view, field);
    const name = bytes.subarray(HEADER, HEADER + Math.min(told("namelen"), room));
    const at = HEADER + room;
    const info = messageInfo(name, bytes.subarray(at, at + told("controllen")), told("flags"));
    this.bytes = bytes.subarray(at + control);
    this.address = info.address;
    this.control = info.control;
    this.flags = info.flags;
    this.truncated = info.truncated;
    this.controlTruncated = info.controlTruncated;
    this.#lease = lease;
  }

  keep(): Uint8Array {
    return this.bytes.slice();
  }

  release(unseen: boolean): void {
    if (unseen) closeDescriptors(this.control);
    this.#lease.release();
  }
}

const controlRoom = ({ control = 0 }: RecvmsgMultishotOptions): number => Math.ceil(control / 8) * 8;

function messageIn(result: number, flags: number, o: RecvmsgMultishotOptions): MessageInBuffer {
  return new MessageInBuffer(o.group.take(result, flags), nameRoom(o), controlRoom(o));
}

function checkRoom(o: RecvmsgMultishotOptions, head: number, l: Lowering): void {
  const { size, options } = o.group;
  if (size <= head)
    throw new RangeError(`${l.name}: the group's buffers hold ${size} bytes; with header, address and control ${head} are no data`);
  // A rest of a buffer that is too small for the header would fail every receive.
  if (options?.incremental && (options.minLeft ?? 0) <= head)
    throw new RangeError(`${l.name}: group is incremental; its minLeft must be more than ${head}, or a message may find too little room`);
}

export const RECVMSG_MULTISHOT = declare({
  name: "recvmsgMultishot",
  opcode: IORING_OP_RECVMSG,
  syscall: "recvmsg(2)",
  since: "6.0",
  needs: "IORING_RECV_MULTISHOT",
  completions: "many",
  options: ["group", "control", "address", ...TRANSFER],
  raw(slot: number, fd: number, message: number, group: number, flags: number) {
    this.prep(IORING_OP_RECVMSG, slot, fd, 0, message, 1, flags, group, 0, 0);
    this.setFlags(IOSQE_BUFFER_SELECT);
    this.setIoprio(IORING_RECV_MULTISHOT);
  },
  lower(o: RecvmsgMultishotOptions, l) {
    const [fd, flags] = multishotTransfer(o, l, MSG_CMSG_CLOEXEC);
    if (o.address !== undefined) checkBoolean(l.name, "address", o.address);
    const control = controlBytes(o.control, l);
    const group = l.group(o.group);
    checkRoom(o, HEADER + nameRoom(o) + control, l);
    // Only how much room name and control messages get: the memory is the group's.
    const message = l.allocate(msghdr.size);
    msghdr.set(l.output, "msg_namelen", nameRoom(o));
    msghdr.set(l.output, "msg_controllen", control);
    return [fd, message, group, flags];
  },
  result: (result: number, flags: number, o: RecvmsgMultishotOptions): MessageInBuffer => messageIn(result, flags, o),
  discard: (result, flags, o) => messageIn(result, flags, o).release(true),
  shots: {
    // The end of a stream: a last message without sender and data. An empty datagram has a sender, and is followed by others.
    ends: (message, flags) => (flags & IORING_CQE_F_MORE) === 0 && message.bytes.length === 0 && message.address === undefined,
    again: (_result, _flags, o) => o,
    release: (message, _o, unseen) => message.release(unseen),
  },
});

/**
 * Receives message after message into a buffer group, each with its sender and its control messages: `IORING_OP_RECVMSG` with
 * RECV_MULTISHOT, since 6.0. `ring.run` of it is an async iterable of {@link MessageChunk}. While the group has no buffer left it
 * pauses, and messages wait in the socket. An empty datagram is a message like others, as long as it has a sender: one without, or with
 * `address: false`, looks like the end of a stream, and ends the iteration.
 *
 * Errors: as {@link recv}; EFAULT (the buffers are too small). A message's bytes are valid until the next step, which gives the buffer
 * back; descriptors that came with messages nobody got are closed. It cannot stand in a link.
 *
 * @example
 * ```ts
 * import { bind, recvmsgMultishot, Ring, send, socket, socketName } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(socket({ domain: 2, type: 2 })); // AF_INET, SOCK_DGRAM
 * await ring.run(bind({ fd, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * using group = ring.bufferGroup({ buffers: 8, size: 2048 });
 * await ring.run(send({ fd, address: socketName(fd), buffer: new TextEncoder().encode("hello") }));
 * for await (const message of ring.run(recvmsgMultishot({ fd, group }))) {
 *   console.log(new TextDecoder().decode(message.bytes), message.address?.family); // hello ipv4
 *   break;
 * }
 * sys.close(fd);
 * ```
 */
export const recvmsgMultishot = (options: RecvmsgMultishotOptions): MultishotOperation<MessageChunk> =>
  new MultishotOperation(RECVMSG_MULTISHOT, options);
