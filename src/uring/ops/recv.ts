import type { Memory } from "../../ffi/index.ts";
import { IORING_OP_RECV, IOSQE_BUFFER_SELECT } from "../abi.ts";
import type { BufferGroup, HeldBundle, HeldChunk } from "../buffer-group.ts";
import type { FixedSink } from "../handles.ts";
import { count, declare, Operation, TransferOperation } from "../operation.ts";
import { checkInteger } from "../options.ts";
import { lengthOfOne } from "./lengths.ts";
import { flagged, region, TRANSFER, type TransferBase, transfer } from "./message-options.ts";

/** Options of {@link recv}: into a buffer of the caller. */
export interface RecvOptions extends TransferBase {
  /** Filled from its first byte: memory, or a fixed buffer of memory (`RECVSEND_FIXED_BUF`, which came after 6.18). */
  buffer: Memory | FixedSink;
}

/** Options of {@link recv}: into a buffer that the kernel chooses when there is data. */
export interface RecvGroupedOptions extends TransferBase {
  /** Where the kernel takes the buffer from (`IOSQE_BUFFER_SELECT`). */
  group: BufferGroup;
  /** The most to receive; left out, what the buffer (or with `bundle` the group) holds. */
  length?: number;
  /** Fills several buffers at once when there is more data than one holds (`RECVSEND_BUNDLE`, 6.10). */
  bundle?: boolean;
}

export const RECV = declare({
  name: "recv",
  opcode: IORING_OP_RECV,
  syscall: "recv(2)",
  since: "5.6",
  completions: "one",
  steady: true,
  options: ["buffer", ...TRANSFER],
  hints: { EINVAL: "a flag this kernel does not know: fixed buffers in plain receives came after 6.18" },
  raw(slot: number, fd: number, address: number, length: number, flags: number, index: number = 0) {
    this.prep(IORING_OP_RECV, slot, fd, 0, address, length, flags, index, 0, 0);
  },
  lower(o: RecvOptions, l) {
    const [fd, flags] = transfer(o, l);
    const [address, length, index] = region(o.buffer, l);
    return [fd, address, length, flags, index];
  },
  length: lengthOfOne,
  result: count,
});

export const RECV_GROUPED = declare({
  name: "recv",
  opcode: IORING_OP_RECV,
  syscall: "recv(2)",
  since: "5.19",
  completions: "one",
  options: ["group", "length", "bundle", ...TRANSFER],
  raw: RECV.raw,
  lower(o: RecvGroupedOptions, l) {
    const [fd, flags] = transfer(o, l);
    const length = o.length === undefined ? 0 : checkInteger(l.name, "length", o.length, 1, 0x7fff_ffff);
    flagged("bundle", o.bundle, "IORING_RECVSEND_BUNDLE", l);
    l.flags |= IOSQE_BUFFER_SELECT;
    return [fd, 0, length, flags, l.group(o.group)];
  },
  result: (result: number, flags: number, o: RecvGroupedOptions): HeldChunk & HeldBundle => o.group.take(result, flags),
  discard: (result, flags, o) => o.group.giveBack(result, flags),
});

/**
 * Receives from a socket: `IORING_OP_RECV`, since 5.6; as `recv(2)`. With a `buffer` it resolves to the bytes received, 0 at the end
 * of a stream.
 *
 * With a `group` (5.19) the kernel takes a buffer when data has arrived, so that thousands of idle connections need no memory; it
 * resolves to a {@link HeldChunk}, which the caller releases (`using`), or with `bundle` (6.10) to a {@link HeldBundle}. No bytes are
 * the end of the stream.
 *
 * Errors: ECONNRESET, ENOTCONN, ECONNREFUSED (a datagram of before was not wanted), ENOBUFS (the group has no buffer), EINVAL (a flag
 * this kernel does not have). A buffer belongs to the kernel until it completes. In a link only an error severs, and the end of a
 * stream does not; with MSG_WAITALL everything short of the whole length does.
 *
 * @example
 * ```ts
 * import { recv, Ring, send } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [near, far] = sys.socketpair(1, 1);
 * using group = ring.bufferGroup({ buffers: 4, size: 1024 });
 * await ring.run(send({ fd: near, buffer: new TextEncoder().encode("hello") }));
 * {
 *   using chunk = await ring.run(recv({ fd: far, group }));
 *   console.log(new TextDecoder().decode(chunk.bytes), group.held); // hello 1
 * }
 * console.log(group.held); // 0
 * for (const fd of [near, far]) sys.close(fd);
 * ```
 */
export function recv(options: RecvOptions): TransferOperation;
export function recv(options: RecvGroupedOptions & { bundle: true }): Operation<HeldBundle>;
export function recv(options: RecvGroupedOptions & { bundle?: false }): Operation<HeldChunk>;
export function recv(options: RecvGroupedOptions): Operation<HeldBundle | HeldChunk>;
export function recv(options: RecvOptions | RecvGroupedOptions): Operation<number | HeldBundle | HeldChunk> {
  return "group" in options ? new Operation(RECV_GROUPED, options) : new TransferOperation(RECV, options);
}
