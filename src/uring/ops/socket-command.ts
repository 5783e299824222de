import { isDetached, type Memory } from "../../ffi/index.ts";
import * as abi from "../abi.ts";
import type { RingCore } from "../core.ts";
import { flagOf } from "../features.ts";
import type { Fd, FixedFile } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { count, declare, Operation } from "../operation.ts";
import { checkInteger, show } from "../options.ts";

/** Options of the commands that only need a socket. */
export interface SocketCommandOptions {
  /** The socket: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
}

/** What errors mean for all commands of sockets. */
export const SOCKET_HINTS = {
  EOPNOTSUPP: "this kernel does not know the command, or the kind of socket has no commands: unix sockets have none",
};

/** The raw writer of all commands. level and optname share the SQE's addr; optlen is the file index, optval is addr3. */
export function cmdSock(
  this: RingCore,
  slot: number,
  fd: number,
  command: number,
  level: number = 0,
  name: number = 0,
  value: number = 0,
  length: number = 0,
): void {
  this.prep(abi.IORING_OP_URING_CMD, slot, fd, 0, 0, 0, 0, 0, length, value);
  this.clearSecondHalf();
  this.setWord(2, command);
  this.setWord(4, level);
  this.setWord(5, name);
}

const queueSize = (name: "siocinq" | "siocoutq", needs: "SOCKET_URING_OP_SIOCINQ" | "SOCKET_URING_OP_SIOCOUTQ") =>
  declare({
    name,
    opcode: abi.IORING_OP_URING_CMD,
    syscall: "ioctl(2)",
    since: "6.5",
    needs,
    completions: "one",
    severs: true,
    options: ["fd"],
    hints: SOCKET_HINTS,
    raw: cmdSock,
    lower: (o: SocketCommandOptions, l) => [l.file(o.fd), flagOf(needs)],
    result: count,
  });

export const SIOCINQ = queueSize("siocinq", "SOCKET_URING_OP_SIOCINQ");
export const SIOCOUTQ = queueSize("siocoutq", "SOCKET_URING_OP_SIOCOUTQ");

/**
 * How many bytes wait to be received: `IORING_OP_URING_CMD` with SOCKET_URING_OP_SIOCINQ, since 6.5; as `ioctl(2)` with SIOCINQ. For UDP
 * the size of the next datagram. Resolves to their number.
 *
 * Errors: EOPNOTSUPP (unix sockets), EINVAL (it listens). An error severs a link. No memory is used.
 *
 * @example
 * ```ts
 * import { bind, Ring, send, siocinq, socket, socketName } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(socket({ domain: 2, type: 2 })); // AF_INET, SOCK_DGRAM
 * await ring.run(bind({ fd, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * await ring.run(send({ fd, address: socketName(fd), buffer: new Uint8Array(77) }));
 * console.log(await ring.run(siocinq({ fd }))); // 77
 * sys.close(fd);
 * ```
 */
export const siocinq = (options: SocketCommandOptions): Operation<number> => new Operation(SIOCINQ, options);

/**
 * How many bytes wait to leave, or for TCP to be acknowledged: `IORING_OP_URING_CMD` with SOCKET_URING_OP_SIOCOUTQ, since 6.5; as
 * `ioctl(2)` with SIOCOUTQ. Resolves to their number.
 *
 * Errors: EOPNOTSUPP (unix sockets), EINVAL (it listens). An error severs a link. No memory is used.
 *
 * @example
 * ```ts
 * import { Ring, siocoutq, socket } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(socket({ domain: 2, type: 2 })); // AF_INET, SOCK_DGRAM
 * console.log(await ring.run(siocoutq({ fd }))); // 0
 * sys.close(fd);
 * ```
 */
export const siocoutq = (options: SocketCommandOptions): Operation<number> => new Operation(SIOCOUTQ, options);

/** Options of {@link getsockopt}. */
export interface GetsockoptOptions extends SocketCommandOptions {
  /** The protocol the option belongs to. Kernels up to 7.2 answer `SOL_SOCKET` only. */
  level: number;
  /** The option: `SO_*` and so on. */
  name: number;
  /** Filled with the option's value from its first byte. */
  value: Memory;
}

/** Options of {@link setsockopt}. */
export interface SetsockoptOptions extends SocketCommandOptions {
  /** The protocol the option belongs to: `SOL_SOCKET`, `IPPROTO_TCP` and so on. */
  level: number;
  /** The option: `SO_*`, `TCP_*` and so on. */
  name: number;
  /** Its value: an int of 32 bits, or the bytes of a struct. */
  value: number | Memory;
}

function optionValue(value: number | Memory, l: Lowering): [address: number, length: number] {
  const memory = typeof value === "number" ? Int32Array.of(checkInteger(l.name, "value", value, -0x8000_0000, 0x7fff_ffff)) : value;
  if (!ArrayBuffer.isView(memory) && !(memory instanceof ArrayBuffer) && !(memory instanceof SharedArrayBuffer))
    throw new TypeError(`${l.name}: value is ${show(value)}; it must be a typed array, an ArrayBuffer or a number`);
  if (isDetached(memory)) throw new TypeError(`${l.name}: value is detached: its memory was transferred away`);
  return [l.memory(memory), memory.byteLength];
}

export const GETSOCKOPT = declare({
  name: "getsockopt",
  opcode: abi.IORING_OP_URING_CMD,
  syscall: "getsockopt(2)",
  since: "6.7",
  needs: "SOCKET_URING_OP_GETSOCKOPT",
  completions: "one",
  severs: true,
  options: ["fd", "level", "name", "value"],
  hints: { EOPNOTSUPP: `${SOCKET_HINTS.EOPNOTSUPP}; getsockopt is for the level SOL_SOCKET only` },
  raw: cmdSock,
  lower(o: GetsockoptOptions, l) {
    if (typeof o.value === "number") throw new TypeError("getsockopt: value is a number; it must be memory to fill");
    return [l.file(o.fd), abi.SOCKET_URING_OP_GETSOCKOPT, l.needed("level", o.level), l.needed("name", o.name), ...optionValue(o.value, l)];
  },
  result: count,
});

export const SETSOCKOPT = declare({
  name: "setsockopt",
  opcode: abi.IORING_OP_URING_CMD,
  syscall: "setsockopt(2)",
  since: "6.7",
  needs: "SOCKET_URING_OP_SETSOCKOPT",
  completions: "one",
  severs: true,
  options: ["fd", "level", "name", "value"],
  hints: SOCKET_HINTS,
  raw: cmdSock,
  lower: (o: SetsockoptOptions, l) => [
    l.file(o.fd),
    abi.SOCKET_URING_OP_SETSOCKOPT,
    l.needed("level", o.level),
    l.needed("name", o.name),
    ...optionValue(o.value, l),
  ],
  result: count,
});

/**
 * Reads an option of a socket: `IORING_OP_URING_CMD` with SOCKET_URING_OP_GETSOCKOPT, since 6.7; as `getsockopt(2)`. Resolves to the
 * value's length in bytes.
 *
 * Errors: EOPNOTSUPP (a level other than SOL_SOCKET; unix sockets), ENOPROTOOPT (no such option). The memory belongs to the kernel
 * until it completes. An error severs a link.
 *
 * @example
 * ```ts
 * import { getsockopt, Ring, SO_TYPE, SOL_SOCKET, socket } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(socket({ domain: 2, type: 1 })); // AF_INET, SOCK_STREAM
 * const value = new Int32Array(1);
 * console.log(await ring.run(getsockopt({ fd, level: SOL_SOCKET, name: SO_TYPE, value })), value[0]); // 4 1
 * sys.close(fd);
 * ```
 */
export const getsockopt = (options: GetsockoptOptions): Operation<number> => new Operation(GETSOCKOPT, options);

/**
 * Sets an option of a socket: `IORING_OP_URING_CMD` with SOCKET_URING_OP_SETSOCKOPT, since 6.7; as `setsockopt(2)`. Resolves to 0.
 *
 * Errors: EOPNOTSUPP (unix sockets), ENOPROTOOPT (no such option), EINVAL (its value), EPERM. The memory belongs to the kernel until
 * it completes. An error severs a link.
 *
 * @example
 * ```ts
 * import { IPPROTO_TCP, Ring, setsockopt, socket, TCP_NODELAY } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(socket({ domain: 2, type: 1 })); // AF_INET, SOCK_STREAM
 * console.log(await ring.run(setsockopt({ fd, level: IPPROTO_TCP, name: TCP_NODELAY, value: 1 }))); // 0
 * sys.close(fd);
 * ```
 */
export const setsockopt = (options: SetsockoptOptions): Operation<number> => new Operation(SETSOCKOPT, options);
