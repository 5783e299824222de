import { join64 } from "../../ffi/index.ts";
import { IORING_CQE_F_TSTAMP_HW, IORING_OP_URING_CMD, IORING_TIMESTAMP_TYPE_SHIFT, SOCKET_URING_OP_TX_TIMESTAMP } from "../abi.ts";
import type { Lowering } from "../lowering.ts";
import { declare, MultishotOperation } from "../operation.ts";
import { cmdSock, SOCKET_HINTS, type SocketCommandOptions } from "./socket-command.ts";

/** When a packet left, as {@link txTimestamp} tells. */
export interface TxTimestamp {
  /** Which packet: what the kernel counted with SOF_TIMESTAMPING_OPT_ID. */
  readonly key: number;
  /** Which moment in its life (`SCM_TSTAMP_*`): 0 sent, 1 scheduled, 2 acknowledged. */
  readonly type: number;
  /** The network card's clock, not the kernel's. */
  readonly hardware: boolean;
  /** Whole seconds since 1970. */
  readonly seconds: number;
  /** Nanoseconds within the second. */
  readonly nanoseconds: number;
}

/** The four words behind the CQE that is being handled, on a ring whose CQEs have 32 bytes. */
export function largeCqe(l: Lowering): readonly [number, number, number, number] {
  const ring = l.ring!;
  const at = ring.cqeAt + 4;
  const words = ring.cqeWords;
  return [words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!];
}

/** Refuses a ring whose CQEs cannot hold the answer. */
export function needLargeCqes(l: Lowering): void {
  if (l.ring?.record.cqe === 16)
    throw new TypeError(`${l.name}: its completions have 32 bytes; open the ring with cqe: 32 or cqe: "mixed"`);
}

export const TX_TIMESTAMP = declare({
  name: "txTimestamp",
  opcode: IORING_OP_URING_CMD,
  syscall: "recvmsg(2)",
  since: "6.17",
  needs: "SOCKET_URING_OP_TX_TIMESTAMP",
  completions: "many",
  options: ["fd"],
  hints: SOCKET_HINTS,
  raw: cmdSock,
  lower(o: SocketCommandOptions, l) {
    needLargeCqes(l);
    return [l.file(o.fd), SOCKET_URING_OP_TX_TIMESTAMP];
  },
  result(key: number, flags: number, _o: SocketCommandOptions, l): TxTimestamp {
    const [secondsLow, secondsHigh, nanosecondsLow, nanosecondsHigh] = largeCqe(l);
    return {
      key,
      type: flags >>> IORING_TIMESTAMP_TYPE_SHIFT,
      hardware: (flags & IORING_CQE_F_TSTAMP_HW) !== 0,
      seconds: join64(secondsLow, secondsHigh),
      nanoseconds: join64(nanosecondsLow, nanosecondsHigh),
    };
  },
});

/**
 * Tells when packets left: `IORING_OP_URING_CMD` with SOCKET_URING_OP_TX_TIMESTAMP, since 6.17; as `recvmsg(2)` of the error queue.
 * `ring.run` of it is an async iterable of {@link TxTimestamp}. The ring needs CQEs of 32 bytes, the socket SO_TIMESTAMPING with
 * SOF_TIMESTAMPING_OPT_TSONLY.
 *
 * Errors: EOPNOTSUPP (older kernels, unix sockets). It cannot stand in a link. No memory is used.
 *
 * @example
 * ```ts
 * import { bind, Ring, send, setsockopt, SO_TIMESTAMPING, SOL_SOCKET, socket, socketName, txTimestamp } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8, cqe: 32 });
 * const fd = await ring.run(socket({ domain: 2, type: 2 })); // AF_INET, SOCK_DGRAM
 * await ring.run(bind({ fd, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * const software = 2 | 16 | 128 | 2048; // TX_SOFTWARE, SOFTWARE, OPT_ID, OPT_TSONLY
 * await ring.run(setsockopt({ fd, level: SOL_SOCKET, name: SO_TIMESTAMPING, value: software }));
 * await ring.run(send({ fd, address: socketName(fd), buffer: new Uint8Array(10) }));
 * const times = txTimestamp({ fd });
 * if (ring.supports(times)) {
 *   for await (const { key, seconds, nanoseconds } of ring.run(times)) {
 *     console.log(`packet ${key} left at ${seconds + nanoseconds / 1e9}`);
 *     break;
 *   }
 * }
 * sys.close(fd);
 * ```
 */
export const txTimestamp = (options: SocketCommandOptions): MultishotOperation<TxTimestamp> =>
  new MultishotOperation(TX_TIMESTAMP, options);
