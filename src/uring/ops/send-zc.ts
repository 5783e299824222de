import type { Memory } from "../../ffi/index.ts";
import { IORING_NOTIF_USAGE_ZC_COPIED, IORING_OP_SEND_ZC, IORING_SEND_VECTORIZED } from "../abi.ts";
import type { FixedSource } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { declare, Operation, type UndrainableOperation } from "../operation.ts";
import type { SocketAddress } from "../socket-address.ts";
import { MSG_NOSIGNAL } from "../socket-constants.ts";
import { destination, flagged, region, TRANSFER, type TransferBase, transfer } from "./message-options.ts";
import { vectorsOf } from "./vectors.ts";

/** What a zero-copy send resolves to. */
export interface ZeroCopySend {
  /** Bytes sent. */
  readonly bytes: number;
  /** Resolves when the kernel has let go of the buffer (`CQE_F_NOTIF`): only then may it be changed. */
  readonly released: Promise<void>;
}

/** What became of the data of a zero-copy send: whether it really left without being copied. */
export type ZeroCopyUsage = "zero-copy" | "copied";

/** What a zero-copy send resolves to that reports on the copying. */
export interface ReportedSend {
  /** Bytes sent. */
  readonly bytes: number;
  /** Resolves when the kernel has let go of the buffer, and says whether some of the data was copied after all, as over loopback. */
  readonly released: Promise<ZeroCopyUsage>;
}

/** What the zero-copy sends have in common. */
export interface ZeroCopyBase extends TransferBase {
  /** The notification tells whether the data was copied after all (`SEND_ZC_REPORT_USAGE`, 6.2). */
  reportUsage?: boolean;
}

/** Options of {@link sendZc}: data in one buffer. */
export interface SendZcOptions extends ZeroCopyBase {
  /** Sent from its first byte: memory, or a fixed buffer of memory (`RECVSEND_FIXED_BUF`), which spares the kernel the pinning. */
  buffer: Memory | FixedSource;
  /** Instead of `buffer`. */
  buffers?: undefined;
  /** Where to; a connected socket needs none. */
  address?: SocketAddress;
}

/** Options of {@link sendZc}: data in several buffers. */
export interface SendZcBuffersOptions extends ZeroCopyBase {
  /** Sent one after the other, as one message (`SEND_VECTORIZED`, 6.17); 1 to 1024. Parts of a fixed buffer: {@link sendmsgZc}. */
  buffers: readonly Memory[];
  /** Instead of `buffers`. */
  buffer?: undefined;
  /** Where to; a connected socket needs none. */
  address?: SocketAddress;
}

/** Lowers the options that all zero-copy sends have. */
export function zeroCopy(o: ZeroCopyBase, l: Lowering): [fd: number, flags: number] {
  flagged("reportUsage", o.reportUsage, "IORING_SEND_ZC_REPORT_USAGE", l);
  return transfer(o, l, MSG_NOSIGNAL);
}

/** The result of a zero-copy send. The ring replaces the promise by the one of the notification; without one nothing is held. */
export const sentBytes = (bytes: number): ZeroCopySend => ({ bytes, released: Promise.resolve() });

/** What the notification says. */
export function usage(result: number, o: ZeroCopyBase): ZeroCopyUsage | undefined {
  if (o.reportUsage !== true) return undefined;
  return result >>> 0 >= IORING_NOTIF_USAGE_ZC_COPIED ? "copied" : "zero-copy";
}

const HINTS = {
  EOPNOTSUPP: "the socket cannot send without copying: TCP and UDP can, unix sockets cannot; use send",
  ENOMEM: "the notification or the pinning of the buffer needs memory: raise `ulimit -l`, or use a fixed buffer",
};

export const SEND_ZC = declare({
  name: "sendZc",
  opcode: IORING_OP_SEND_ZC,
  syscall: "send(2)",
  since: "6.0",
  completions: "notify",
  options: ["buffer", "address", "reportUsage", ...TRANSFER],
  hints: HINTS,
  raw(slot: number, fd: number, address: number, length: number, flags: number, to: number = 0, toLength: number = 0, index: number = 0) {
    this.prep(IORING_OP_SEND_ZC, slot, fd, to, address, length, flags, index, toLength, 0);
  },
  lower(o: SendZcOptions, l) {
    const [fd, flags] = zeroCopy(o, l);
    const [address, length, index] = region(o.buffer, l);
    return [fd, address, length, flags, ...destination(o.address, l), index];
  },
  result: sentBytes,
  notified: (result, o) => usage(result, o),
});

export const SEND_ZC_BUFFERS = declare({
  name: "sendZc",
  opcode: IORING_OP_SEND_ZC,
  syscall: "send(2)",
  since: "6.17",
  needs: "IORING_SEND_VECTORIZED",
  completions: "notify",
  options: ["buffers", "address", "reportUsage", ...TRANSFER],
  hints: HINTS,
  raw: SEND_ZC.raw,
  lower(o: SendZcBuffersOptions, l) {
    const [fd, flags] = zeroCopy(o, l);
    l.ioprio |= IORING_SEND_VECTORIZED;
    return [fd, vectorsOf(o.buffers, l), o.buffers.length, flags, ...destination(o.address, l), 0];
  },
  result: sentBytes,
  notified: (result, o) => usage(result, o),
});

/** What both forms of {@link sendZc} take. */
export type AnySendZc = SendZcOptions | SendZcBuffersOptions;

/**
 * Sends without copying: `IORING_OP_SEND_ZC`, since 6.0; as `send(2)` or `sendto(2)` with MSG_ZEROCOPY and MSG_NOSIGNAL. Resolves to its
 * `bytes` on the result; its promise `released` resolves on the notification, until which the buffer stays pinned and must not change.
 * With `reportUsage`, `released` tells whether the kernel had to copy: over loopback it always does.
 *
 * Aborted after a part was sent, it resolves all the same, to that part. Errors: EPIPE, ECONNRESET, ENOMEM, EOPNOTSUPP (unix sockets
 * cannot). It pays for large messages over a real network card only. In a link only an error severs, with MSG_WAITALL everything short of
 * the whole length; `CQE_SKIP_SUCCESS` is refused by the kernel and not offered.
 *
 * @example
 * ```ts
 * import { bind, recv, Ring, sendZc, socket, type SocketAddress, socketName } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(socket({ domain: 2, type: 2 })); // AF_INET, SOCK_DGRAM
 * await ring.run(bind({ fd, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * const address: SocketAddress = socketName(fd);
 * const { bytes, released } = await ring.run(sendZc({ fd, address, buffer: new Uint8Array(100), reportUsage: true }));
 * await ring.run(recv({ fd, buffer: new Uint8Array(100) }));
 * console.log(bytes, await released); // 100 copied
 * sys.close(fd);
 * ```
 */
export function sendZc(options: AnySendZc & { reportUsage: true }): UndrainableOperation<ReportedSend>;
export function sendZc(options: AnySendZc & { reportUsage?: false }): UndrainableOperation<ZeroCopySend>;
export function sendZc(options: AnySendZc): UndrainableOperation<ZeroCopySend | ReportedSend>;
export function sendZc(options: AnySendZc): UndrainableOperation<ZeroCopySend | ReportedSend> {
  return new Operation(options.buffers !== undefined ? SEND_ZC_BUFFERS : SEND_ZC, options) as Operation<
    ZeroCopySend | ReportedSend
  > as UndrainableOperation<ZeroCopySend | ReportedSend>;
}
