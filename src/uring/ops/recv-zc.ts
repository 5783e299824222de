import { join64 } from "../../ffi/index.ts";
import { IORING_OP_RECV_ZC, IORING_RECV_MULTISHOT, IORING_ZCRX_AREA_SHIFT } from "../abi.ts";
import type { Fd, FixedFile } from "../handles.ts";
import { declare, MultishotOperation } from "../operation.ts";
import { checkInteger } from "../options.ts";
import { flagged } from "./message-options.ts";
import { largeCqe, needLargeCqes } from "./tx-timestamp.ts";

/** Options of {@link recvZc}. */
export interface RecvZcOptions {
  /** The socket: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** The number of the receive queue (`zcrx_id`), from its registration (`IORING_REGISTER_ZCRX_IFQ`). */
  queue: number;
  /** The most to receive in all; default no limit. */
  total?: number;
  /** The socket is expected to be empty: wait for data before the first attempt. */
  pollFirst?: boolean;
}

/** Where in the registered memory data has arrived. */
export interface ZeroCopyRange {
  /** Bytes from the start of the area. */
  readonly offset: number;
  /** The area, by number. */
  readonly area: number;
  /** Bytes. */
  readonly length: number;
}

// zcrx offsets carry the area in the bits from IORING_ZCRX_AREA_SHIFT (48) on.
const AREA_IN_HIGH_WORD = IORING_ZCRX_AREA_SHIFT - 32;

export const RECV_ZC = declare({
  name: "recvZc",
  opcode: IORING_OP_RECV_ZC,
  syscall: "recv(2)",
  since: "6.15",
  completions: "many",
  options: ["fd", "queue", "total", "pollFirst"],
  hints: { EINVAL: "there is no such receive queue on this ring (IORING_REGISTER_ZCRX_IFQ), or the socket is not TCP" },
  raw(slot: number, fd: number, queue: number, total: number) {
    this.prep(IORING_OP_RECV_ZC, slot, fd, 0, 0, total, 0, 0, queue, 0);
    this.setIoprio(IORING_RECV_MULTISHOT);
  },
  lower(o: RecvZcOptions, l) {
    needLargeCqes(l);
    flagged("pollFirst", o.pollFirst, "IORING_RECVSEND_POLL_FIRST", l);
    const total = o.total === undefined ? 0 : checkInteger(l.name, "total", o.total, 1, 0x7fff_ffff);
    return [l.file(o.fd), l.needed("queue", o.queue), total];
  },
  result(length: number, _flags, _o: RecvZcOptions, l): ZeroCopyRange {
    const [low, high] = largeCqe(l);
    return { offset: join64(low, high & ((1 << AREA_IN_HIGH_WORD) - 1)), area: high >>> AREA_IN_HIGH_WORD, length };
  },
  shots: {
    ends: ({ length }) => length === 0,
    // The kernel ends it early when the CQ is full.
    again: (_length, _flags, o, total) => {
      if (o.total === undefined) return o;
      return total < o.total ? { ...o, total: o.total - total } : undefined;
    },
    release: () => {}, // ranges go back through the queue's refill ring, which is the caller's
  },
});

/**
 * Receives into memory that the network card fills itself: `IORING_OP_RECV_ZC`, since 6.15; as `recv(2)` without its copy. `ring.run` of
 * it is an async iterable of {@link ZeroCopyRange}; it ends with the stream, or with `total`. The ring needs CQEs of 32 bytes and a
 * receive queue that is registered with it, the card header splitting and flow steering. Ranges are given back through the queue's
 * refill ring.
 *
 * Errors: EINVAL (no such queue), ENOTSOCK, EPROTONOSUPPORT (not TCP), EOPNOTSUPP. The queue's memory must outlive the iteration. It
 * cannot stand in a link.
 *
 * @example
 * ```ts
 * import { recvZc, Ring } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8, cqe: 32 });
 * const [near, far] = sys.socketpair(1, 1);
 * try {
 *   for await (const { area, offset, length } of ring.run(recvZc({ fd: near, queue: 0 }))) console.log(area, offset, length);
 * } catch (error) {
 *   console.log(error instanceof Error); // true, for no queue was registered
 * }
 * for (const fd of [near, far]) sys.close(fd);
 * ```
 */
export const recvZc = (options: RecvZcOptions): MultishotOperation<ZeroCopyRange> => new MultishotOperation(RECV_ZC, options);
