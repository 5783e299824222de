import { IORING_CQE_F_BUFFER, IORING_OP_RECV, IORING_RECV_MULTISHOT, IOSQE_BUFFER_SELECT } from "../abi.ts";
import type { BufferGroup, Bundle, Chunk } from "../buffer-group.ts";
import { declare, MultishotOperation } from "../operation.ts";
import { checkInteger } from "../options.ts";
import { flagged, multishotTransfer, TRANSFER, type TransferBase } from "./message-options.ts";

/** Options of {@link recvMultishot}. */
export interface RecvMultishotOptions extends TransferBase {
  /** Where the kernel takes buffers from. */
  group: BufferGroup;
  /** The most to receive at once, so that one busy socket does not take all buffers (6.17). */
  length?: number;
  /** The most to receive in all: with so many bytes the iteration ends (6.17). */
  total?: number;
  /** Fills several buffers at once when there is more data than one holds (`RECVSEND_BUNDLE`, 6.10). */
  bundle?: boolean;
}

export const RECV_MULTISHOT = declare({
  name: "recvMultishot",
  opcode: IORING_OP_RECV,
  syscall: "recv(2)",
  since: "6.0",
  needs: "IORING_RECV_MULTISHOT",
  completions: "many",
  options: ["group", "length", "total", "bundle", ...TRANSFER],
  hints: { EINVAL: "a length or total before Linux 6.17" },
  raw(slot: number, fd: number, group: number, flags: number, length: number = 0, total: number = 0) {
    this.prep(IORING_OP_RECV, slot, fd, 0, 0, length, flags, group, total, 0);
    this.setFlags(IOSQE_BUFFER_SELECT);
    this.setIoprio(IORING_RECV_MULTISHOT);
  },
  lower(o: RecvMultishotOptions, l) {
    const [fd, flags] = multishotTransfer(o, l);
    const length = o.length === undefined ? 0 : checkInteger(l.name, "length", o.length, 1, 0x7fff_ffff);
    const total = o.total === undefined ? 0 : checkInteger(l.name, "total", o.total, 1, 0x7fff_ffff);
    flagged("bundle", o.bundle, "IORING_RECVSEND_BUNDLE", l);
    return [fd, l.group(o.group), flags, length, total];
  },
  result: (result: number, flags: number, o: RecvMultishotOptions): Chunk & Bundle => o.group.take(result, flags),
  discard: (result, flags, o) => o.group.giveBack(result, flags),
  shots: {
    ends: (_chunk, flags) => (flags & IORING_CQE_F_BUFFER) === 0,
    again: (_result, _flags, o, total) => rest(o, total),
    release: (value, o) => o.group.release(value),
  },
});

/** What is left of a receive that has a total. */
function rest(o: RecvMultishotOptions, received: number): RecvMultishotOptions | undefined {
  if (o.total === undefined) return o;
  return received < o.total ? { ...o, total: o.total - received } : undefined;
}

/**
 * Receives again and again into a buffer group, as `recv(2)` in a loop: `IORING_OP_RECV` with RECV_MULTISHOT, since 6.0. `ring.run` of
 * it is an async iterable of {@link Chunk}, with `bundle` of {@link Bundle}; it ends with the stream, or with `total`. While the group
 * has no buffer left it pauses, and data waits in the socket.
 *
 * On a datagram socket an empty datagram looks like the end of a stream, and ends it: use recvmsgMultishot there.
 *
 * Errors: ECONNRESET, ENOTCONN, EINVAL (a flag this kernel does not have). An item's bytes are valid until the next step, which gives
 * the buffer back; the group must outlive the iteration. It cannot stand in a link.
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
 * for (const fd of [a, b]) sys.close(fd);
 * ```
 */
export function recvMultishot(options: RecvMultishotOptions & { bundle: true }): MultishotOperation<Bundle>;
export function recvMultishot(options: RecvMultishotOptions & { bundle?: false }): MultishotOperation<Chunk>;
export function recvMultishot(options: RecvMultishotOptions): MultishotOperation<Chunk | Bundle>;
export function recvMultishot(options: RecvMultishotOptions): MultishotOperation<Chunk | Bundle> {
  return new MultishotOperation(RECV_MULTISHOT, options);
}
