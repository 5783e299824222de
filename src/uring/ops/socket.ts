import type { Memory } from "../../ffi/index.ts";
import { IORING_OP_RECV, IORING_OP_SEND, IORING_OP_SEND_ZC, IORING_RECV_MULTISHOT, IOSQE_BUFFER_SELECT } from "../abi.ts";
import type { BufferGroup, Chunk } from "../buffer-group.ts";
import type { Fd, FixedFile } from "../handles.ts";
import { count, declare, MultishotOperation, Operation } from "../operation.ts";

/** Makes send and recv complete only with the whole length (`MSG_WAITALL`). */
export const MSG_WAITALL = 0x100;
const MSG_NOSIGNAL = 0x4000;

/** Options of {@link send}, {@link sendZc} and {@link recv}. */
export interface SocketOptions {
  /** The socket: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** Sent from, or filled from, its first byte. */
  buffer: Memory;
  /** `MSG_*` flags. */
  flags?: number;
}

export const SEND = declare({
  name: "send",
  opcode: IORING_OP_SEND,
  syscall: "send(2)",
  since: "5.6",
  completions: "one",
  options: ["fd", "buffer", "flags"],
  raw(slot: number, fd: number, address: number, length: number, flags: number) {
    this.prep(IORING_OP_SEND, slot, fd, 0, address, length, flags, 0, 0, 0);
  },
  lower: (o: SocketOptions, l) =>
    [l.file(o.fd), l.memory(o.buffer), o.buffer.byteLength, (o.flags ?? 0) | MSG_NOSIGNAL] as [number, number, number, number],
  result: count,
});

export const RECV = declare({
  name: "recv",
  opcode: IORING_OP_RECV,
  syscall: "recv(2)",
  since: "5.6",
  completions: "one",
  options: ["fd", "buffer", "flags"],
  raw(slot: number, fd: number, address: number, length: number, flags: number) {
    this.prep(IORING_OP_RECV, slot, fd, 0, address, length, flags, 0, 0, 0);
  },
  lower: (o: SocketOptions, l) => [l.file(o.fd), l.memory(o.buffer), o.buffer.byteLength, o.flags ?? 0] as [number, number, number, number],
  result: count,
});

/** What a zero-copy send resolves to. */
export interface ZeroCopySend {
  /** Bytes sent. */
  readonly bytes: number;
  /** Resolves when the kernel has let go of the buffer (`CQE_F_NOTIF`): only then may it be changed. */
  readonly released: Promise<void>;
}

export const SEND_ZC = declare({
  name: "sendZc",
  opcode: IORING_OP_SEND_ZC,
  syscall: "send(2)",
  since: "6.0",
  completions: "notify",
  options: ["fd", "buffer", "flags"],
  raw(slot: number, fd: number, address: number, length: number, flags: number) {
    this.prep(IORING_OP_SEND_ZC, slot, fd, 0, address, length, flags, 0, 0, 0);
  },
  lower: (o: SocketOptions, l) =>
    [l.file(o.fd), l.memory(o.buffer), o.buffer.byteLength, (o.flags ?? 0) | MSG_NOSIGNAL] as [number, number, number, number],
  // The ring replaces the promise by the one of the notification; without one nothing is held.
  result: (bytes: number): ZeroCopySend => ({ bytes, released: Promise.resolve() }),
});

/** Options of {@link recvMultishot}. */
export interface RecvMultishotOptions {
  /** The socket: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** Where the kernel takes buffers from. */
  group: BufferGroup;
  /** `MSG_*` flags. */
  flags?: number;
}

export const RECV_MULTISHOT = declare({
  name: "recvMultishot",
  opcode: IORING_OP_RECV,
  syscall: "recv(2)",
  since: "6.0",
  completions: "many",
  options: ["fd", "group", "flags"],
  raw(slot: number, fd: number, group: number, flags: number) {
    this.prep(IORING_OP_RECV, slot, fd, 0, 0, 0, flags, group, 0, 0);
    this.setFlags(IOSQE_BUFFER_SELECT);
    this.setIoprio(IORING_RECV_MULTISHOT);
  },
  lower(o: RecvMultishotOptions, l) {
    l.pins.push(o.group);
    return [l.file(o.fd), o.group.id, o.flags ?? 0] as [number, number, number];
  },
  result: (result: number, flags: number, o: RecvMultishotOptions): Chunk => o.group.take(result, flags),
  discard: (_result, flags, o) => o.group.giveBack(flags),
});

/** Sends on a socket: `IORING_OP_SEND`, since 5.6; as `send(2)` with MSG_NOSIGNAL. Resolves to the bytes sent. Errors: EPIPE, ECONNRESET. */
export const send = (options: SocketOptions): Operation<number> => new Operation(SEND, options);

/** Receives from a socket: `IORING_OP_RECV`, since 5.6; as `recv(2)`. Resolves to the bytes received, 0 at the end. Errors: ECONNRESET. */
export const recv = (options: SocketOptions): Operation<number> => new Operation(RECV, options);

/**
 * Sends without copying: `IORING_OP_SEND_ZC`, since 6.0. Resolves on the result; its `released` promise on the notification, until
 * which the buffer stays pinned and must not change. Aborted after a part was sent, it resolves all the same, to that part. Errors: EPIPE, ENOMEM, EOPNOTSUPP (the socket cannot).
 */
export const sendZc = (options: SocketOptions): Operation<ZeroCopySend> => new Operation(SEND_ZC, options);

/**
 * Receives again and again into a buffer group: `IORING_OP_RECV` with RECV_MULTISHOT, since 6.0. `ring.run` of it is an async
 * iterable of {@link Chunk}; it ends with the stream. While the group has no buffer left it pauses, and data waits in the socket.
 * Errors: ECONNRESET, ENOTCONN.
 *
 * @example
 * ```ts
 * import { recvMultishot, Ring, send } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [a, b] = sys.socketpair(1, 1);
 * using group = ring.bufferGroup({ buffers: 8, size: 4096 });
 * await ring.run(send({ fd: a, buffer: new TextEncoder().encode("hello") }));
 * for await (const chunk of ring.run(recvMultishot({ fd: b, group }))) {
 *   console.log(new TextDecoder().decode(chunk.bytes)); // hello
 *   break;
 * }
 * ```
 */
export const recvMultishot = (options: RecvMultishotOptions): MultishotOperation<Chunk> => new MultishotOperation(RECV_MULTISHOT, options);
