import type { Memory } from "../../ffi/index.ts";
import { IORING_OP_SEND, IORING_RECVSEND_BUNDLE, IORING_SEND_VECTORIZED, IOSQE_BUFFER_SELECT } from "../abi.ts";
import type { FixedSource } from "../handles.ts";
import { count, declare, MultishotOperation, Operation, TransferOperation } from "../operation.ts";
import type { SendGroup } from "../send-group.ts";
import type { SocketAddress } from "../socket-address.ts";
import { MSG_NOSIGNAL, MSG_WAITALL } from "../socket-constants.ts";
import { lengthOfMany, lengthOfOne } from "./lengths.ts";
import { destination, region, TRANSFER, type TransferBase, transfer } from "./message-options.ts";
import { vectorsOf } from "./vectors.ts";

/** Options of {@link send}: data in one buffer. */
export interface SendOptions extends TransferBase {
  /** Sent from its first byte: memory, or a fixed buffer of memory (`RECVSEND_FIXED_BUF`, which came after 6.18). */
  buffer: Memory | FixedSource;
  /** Where to (sendto(2), 6.0); a connected socket needs none. */
  address?: SocketAddress;
}

/** Options of {@link send}: data in several buffers. */
export interface SendBuffersOptions extends TransferBase {
  /** Sent one after the other, as one message (`SEND_VECTORIZED`, 6.17); 1 to 1024. */
  buffers: readonly Memory[];
  /** Where to (sendto(2), 6.0); a connected socket needs none. */
  address?: SocketAddress;
}

/** Options of {@link send}: the oldest buffer of a group. */
export interface SendGroupedOptions extends TransferBase {
  /** Its oldest buffer is sent (`IOSQE_BUFFER_SELECT`, 6.10), on a stream as a whole (MSG_WAITALL). */
  group: SendGroup;
  /** Where to (sendto(2)); a connected socket needs none. */
  address?: SocketAddress;
}

export const SEND = declare({
  name: "send",
  opcode: IORING_OP_SEND,
  syscall: "send(2)",
  since: "5.6",
  completions: "one",
  severs: true,
  steady: true,
  options: ["buffer", "address", ...TRANSFER],
  hints: { EINVAL: "a flag this kernel does not know: fixed buffers in plain sends came after 6.18, an address with 6.0" },
  raw(slot: number, fd: number, address: number, length: number, flags: number, to: number = 0, toLength: number = 0, index: number = 0) {
    this.prep(IORING_OP_SEND, slot, fd, to, address, length, flags, index, toLength, 0);
  },
  lower(o: SendOptions, l) {
    const [fd, flags] = transfer(o, l, MSG_NOSIGNAL);
    const [address, length, index] = region(o.buffer, l);
    return [fd, address, length, flags, ...destination(o.address, l), index];
  },
  length: lengthOfOne,
  result: count,
});

export const SEND_BUFFERS = declare({
  name: "send",
  opcode: IORING_OP_SEND,
  syscall: "send(2)",
  since: "6.17",
  needs: "IORING_SEND_VECTORIZED",
  completions: "one",
  severs: true,
  options: ["buffers", "address", ...TRANSFER],
  hints: { EINVAL: "sends of several buffers came with Linux 6.17; sendmsg does it on every kernel" },
  raw: SEND.raw,
  lower(o: SendBuffersOptions, l) {
    const [fd, flags] = transfer(o, l, MSG_NOSIGNAL);
    l.ioprio |= IORING_SEND_VECTORIZED;
    return [fd, vectorsOf(o.buffers, l), o.buffers.length, flags, ...destination(o.address, l), 0];
  },
  length: lengthOfMany,
  result: count,
});

export const SEND_GROUPED = declare({
  name: "send",
  opcode: IORING_OP_SEND,
  syscall: "send(2)",
  since: "6.10",
  needs: "IORING_FEAT_RECVSEND_BUNDLE",
  completions: "one",
  options: ["group", "address", ...TRANSFER],
  hints: { ENOBUFS: "nothing was pushed into the group, or it was sent already" },
  raw: SEND.raw,
  lower(o: SendGroupedOptions, l) {
    // The rest of a buffer that is sent in part would be lost: a stream waits until it is gone.
    const [fd, flags] = transfer(o, l, MSG_NOSIGNAL | MSG_WAITALL);
    l.flags |= IOSQE_BUFFER_SELECT;
    return [fd, 0, 0, flags, ...destination(o.address, l), l.group(o.group)];
  },
  result: (result: number, flags: number, o: SendGroupedOptions) => o.group.sent(result, flags),
  discard: (result, flags, o) => void o.group.sent(result, flags),
});

/**
 * Sends on a socket: `IORING_OP_SEND`, since 5.6; as `send(2)` or `sendto(2)` with MSG_NOSIGNAL. Resolves to the bytes sent, which
 * may be fewer than asked for; with MSG_WAITALL a stream socket sends them all.
 *
 * The data comes from a `buffer`, from several (`buffers`), or from a {@link SendGroup} (`group`).
 *
 * Errors: EPIPE, ECONNRESET (the peer has gone), ENOTCONN, EDESTADDRREQ (no address), EMSGSIZE (too large for a datagram), ENOBUFS
 * (the group is empty), EINVAL (a flag this kernel does not have). A buffer of a group is used up by a send that fails. Buffers belong
 * to the kernel until it completes; an address is copied. In a link only an error severs, with MSG_WAITALL everything short of the whole length.
 *
 * @example
 * ```ts
 * import { recv, Ring, send } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [near, far] = sys.socketpair(1, 1);
 * console.log(await ring.run(send({ fd: near, buffer: new TextEncoder().encode("hello") }))); // 5
 * console.log(await ring.run(recv({ fd: far, buffer: new Uint8Array(16) }))); // 5
 * for (const fd of [near, far]) sys.close(fd);
 * ```
 */
export function send(options: SendOptions): TransferOperation;
export function send(options: SendBuffersOptions): TransferOperation;
export function send(options: SendGroupedOptions): Operation<number>;
export function send(options: SendOptions | SendBuffersOptions | SendGroupedOptions): Operation<number> {
  if ("group" in options) return new Operation(SEND_GROUPED, options);
  return "buffers" in options ? new TransferOperation(SEND_BUFFERS, options) : new TransferOperation(SEND, options);
}

/** Options of {@link sendBundle}. */
export interface SendBundleOptions extends TransferBase {
  /** Its buffers are sent, oldest first. */
  group: SendGroup;
}

export const SEND_BUNDLE = declare({
  name: "sendBundle",
  opcode: IORING_OP_SEND,
  syscall: "send(2)",
  since: "6.10",
  needs: "IORING_RECVSEND_BUNDLE",
  completions: "many",
  options: ["group", ...TRANSFER],
  hints: SEND_GROUPED.hints!,
  raw(slot: number, fd: number, group: number, length: number, flags: number) {
    this.prep(IORING_OP_SEND, slot, fd, 0, 0, length, flags, group, 0, 0);
    this.setFlags(IOSQE_BUFFER_SELECT);
    this.setIoprio(IORING_RECVSEND_BUNDLE);
  },
  lower(o: SendBundleOptions, l) {
    const [fd, flags] = transfer(o, l, MSG_NOSIGNAL);
    return [fd, l.group(o.group), 0, flags];
  },
  result: (result: number, flags: number, o: SendBundleOptions) => o.group.sent(result, flags),
  discard: (result, flags, o) => void o.group.sent(result, flags),
  shots: {
    ends: () => false,
    // A CQ without room ends it early: what is left in the group is sent then.
    again: (result, _flags, o) => (result > 0 && o.group.queued > 0 ? o : undefined),
    release: () => {},
  },
});

/**
 * Sends all that a {@link SendGroup} holds, many buffers at once: `IORING_OP_SEND` with RECVSEND_BUNDLE, since 6.10. `ring.run` of it is
 * an async iterable of the bytes sent; it ends when the group is empty. What is pushed meanwhile goes out as well.
 *
 * Errors: as {@link send}; ENOBUFS (the group was empty from the start). When a connection breaks in the middle of a buffer, that buffer
 * counts as sent. In a link everything short of the whole length severs. The group's memory must outlive the iteration.
 *
 * @example
 * ```ts
 * import { recv, Ring, sendBundle } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [near, far] = sys.socketpair(1, 1);
 * using group = ring.sendGroup({ buffers: 8, size: 4096 });
 * for (const word of ["one ", "two ", "three"]) group.push(new TextEncoder().encode(word));
 * let sent = 0;
 * for await (const bytes of ring.run(sendBundle({ fd: near, group }))) sent += bytes;
 * const buffer = new Uint8Array(64);
 * const got = await ring.run(recv({ fd: far, buffer }));
 * console.log(sent, new TextDecoder().decode(buffer.subarray(0, got))); // 13 one two three
 * for (const fd of [near, far]) sys.close(fd);
 * ```
 */
export const sendBundle = (options: SendBundleOptions): MultishotOperation<number> => new MultishotOperation(SEND_BUNDLE, options);
