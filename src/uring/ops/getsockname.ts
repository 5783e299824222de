import { IORING_OP_URING_CMD, SOCKET_URING_OP_GETSOCKNAME } from "../abi.ts";
import { declare, Operation } from "../operation.ts";
import { checkBoolean } from "../options.ts";
import { NAME_OUTPUT, nameFrom, type SocketAddress } from "../socket-address.ts";
import { SOCKET_HINTS, type SocketCommandOptions } from "./socket-command.ts";

/** Options of {@link getsockname}. */
export interface GetsocknameOptions extends SocketCommandOptions {
  /** The address it is connected to (`getpeername(2)`) instead of its own. */
  peer?: boolean;
}

export const GETSOCKNAME = declare({
  name: "getsockname",
  opcode: IORING_OP_URING_CMD,
  syscall: "getsockname(2)",
  since: "6.19",
  needs: "SOCKET_URING_OP_GETSOCKNAME",
  completions: "one",
  severs: true,
  options: ["fd", "peer"],
  hints: SOCKET_HINTS,
  raw(slot: number, fd: number, address: number, length: number, peer: number) {
    this.prep(IORING_OP_URING_CMD, slot, fd, 0, address, 0, 0, 0, peer, length);
    this.clearSecondHalf();
    this.setWord(2, SOCKET_URING_OP_GETSOCKNAME);
  },
  lower(o: GetsocknameOptions, l) {
    const peer = o.peer !== undefined && checkBoolean(l.name, "peer", o.peer);
    const fd = l.file(o.fd);
    const at = l.allocate(NAME_OUTPUT.bytes);
    l.output.setUint32(NAME_OUTPUT.lengthAt, NAME_OUTPUT.lengthAt, true);
    return [fd, at, at + NAME_OUTPUT.lengthAt, peer ? 1 : 0];
  },
  result: (_result, _flags, _o: GetsocknameOptions, l): SocketAddress => nameFrom(l.output),
});

/**
 * Tells a socket's address: `IORING_OP_URING_CMD` with SOCKET_URING_OP_GETSOCKNAME, since 6.19; as `getsockname(2)`, with `peer` as
 * `getpeername(2)`. Works on slots of the file table, which {@link socketName} cannot ask. Resolves to the {@link SocketAddress}.
 *
 * Errors: EOPNOTSUPP (older kernels, unix sockets), ENOTCONN (`peer`). An error severs a link. The result's memory is the operation's
 * own.
 *
 * @example
 * ```ts
 * import { bind, getsockname, Ring, socket, socketName } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(socket({ domain: 2, type: 2 })); // AF_INET, SOCK_DGRAM
 * await ring.run(bind({ fd, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * const ask = getsockname({ fd });
 * const address = ring.supports(ask) ? await ring.run(ask) : socketName(fd);
 * console.log(address.family); // ipv4
 * sys.close(fd);
 * ```
 */
export const getsockname = (options: GetsocknameOptions): Operation<SocketAddress> => new Operation(GETSOCKNAME, options);
