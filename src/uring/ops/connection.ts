import { sys } from "../../ffi/index.ts";
import { IORING_OP_BIND, IORING_OP_CONNECT, IORING_OP_LISTEN, IORING_OP_SHUTDOWN, IORING_OP_SOCKET } from "../abi.ts";
import type { DirectSlot, Fd, FixedFile } from "../handles.ts";
import { count, declare, Operation } from "../operation.ts";
import { checkInteger } from "../options.ts";
import type { SocketAddress } from "../socket-address.ts";
import { SHUT_RDWR, SOCK_CLOEXEC } from "../socket-constants.ts";
import { emptySlot, filled, TABLE_HINTS } from "./descriptors.ts";
import { destination } from "./message-options.ts";

/** Options of {@link socket}. */
export interface SocketOptions {
  /** The family: `AF_INET`, `AF_INET6`, `AF_UNIX` and so on. */
  domain: number;
  /** `SOCK_STREAM`, `SOCK_DGRAM` and so on; SOCK_NONBLOCK is for others who use the descriptor: operations of a ring wait all the same. */
  type: number;
  /** The protocol within the family; default 0, the usual one. */
  protocol?: number;
}

/** Options of {@link socketDirect}. */
export interface SocketDirectOptions extends SocketOptions {
  /** Where in the ring's file table; `"any"` lets the kernel choose. */
  slot: DirectSlot;
}

export const SOCKET = declare({
  name: "socket",
  opcode: IORING_OP_SOCKET,
  syscall: "socket(2)",
  since: "5.19",
  completions: "one",
  severs: true,
  options: ["domain", "type", "protocol"],
  raw(slot: number, domain: number, type: number, protocol: number, fileIndex: number = 0) {
    this.prep(IORING_OP_SOCKET, slot, domain, type, 0, protocol, 0, 0, fileIndex, 0);
  },
  lower: (o: SocketOptions, l) => [
    l.needed("domain", o.domain),
    l.needed("type", o.type) | SOCK_CLOEXEC,
    l.word("protocol", o.protocol),
    0,
  ],
  result: (fd: number): Fd => fd,
  discard: (fd) => sys.close(fd),
});

export const SOCKET_DIRECT = declare({
  name: "socketDirect",
  opcode: IORING_OP_SOCKET,
  syscall: "socket(2)",
  since: "5.19",
  completions: "one",
  options: ["domain", "type", "protocol", "slot"],
  hints: { ...TABLE_HINTS, EINVAL: "the slot lies outside the ring's file table, or there is no such type of socket" },
  raw: SOCKET.raw,
  lower: (o: SocketDirectOptions, l) => [
    l.needed("domain", o.domain),
    l.needed("type", o.type) & ~SOCK_CLOEXEC,
    l.word("protocol", o.protocol),
    l.place(o.slot),
  ],
  result: (result: number, _flags, o: SocketDirectOptions): FixedFile => filled(o.slot, result),
  discard: (result, _flags, o, ring) => emptySlot(filled(o.slot, result).slot, ring),
});

/**
 * Makes a socket: `IORING_OP_SOCKET`, since 5.19; as `socket(2)` with SOCK_CLOEXEC. Resolves to the descriptor, which the caller
 * closes. One that arrives after an abort is closed.
 *
 * Errors: EAFNOSUPPORT, EPROTONOSUPPORT, EINVAL (type), EMFILE, EACCES. An error severs a link. No memory is used.
 *
 * @example
 * ```ts
 * import { AF_INET, close, Ring, SOCK_STREAM, socket } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(socket({ domain: AF_INET, type: SOCK_STREAM }));
 * console.log(await ring.run(close({ fd }))); // 0
 * ```
 */
export const socket = (options: SocketOptions): Operation<Fd> => new Operation(SOCKET, options);

/**
 * Makes a socket in a slot of the ring's file table: `IORING_OP_SOCKET` with a direct descriptor, since 5.19; as `socket(2)`. Resolves to
 * the {@link FixedFile}. Needs `fixedFiles` on the ring. One that arrives after an abort is closed.
 *
 * Errors: as {@link socket}; ENXIO (there is no file table), ENFILE (`"any"`, and the table is full). An error severs a link. No memory
 * is used.
 *
 * @example
 * ```ts
 * import { AF_INET, closeDirect, Ring, SOCK_STREAM, socketDirect } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
 * const slot = await ring.run(socketDirect({ domain: AF_INET, type: SOCK_STREAM, slot: "any" }));
 * console.log(slot.slot, await ring.run(closeDirect({ slot }))); // 0 0
 * ```
 */
export const socketDirect = (options: SocketDirectOptions): Operation<FixedFile> => new Operation(SOCKET_DIRECT, options);

/** Options of {@link bind} and {@link connect}. */
export interface AddressedOptions {
  /** The socket: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** The address. */
  address: SocketAddress;
}

export const BIND = declare({
  name: "bind",
  opcode: IORING_OP_BIND,
  syscall: "bind(2)",
  since: "6.11",
  completions: "one",
  severs: true,
  options: ["fd", "address"],
  raw(slot: number, fd: number, address: number, length: number) {
    this.prep(IORING_OP_BIND, slot, fd, length, address, 0, 0, 0, 0, 0);
  },
  lower: (o: AddressedOptions, l) => [l.file(o.fd), ...destination(o.address === undefined ? missing(l.name) : o.address, l)],
  result: count,
});

function missing(name: string): never {
  throw new TypeError(`${name}: address is missing; it must be an address such as { family: 'ipv4', address: '127.0.0.1', port: 80 }`);
}

/**
 * Gives a socket its address: `IORING_OP_BIND`, since 6.11; as `bind(2)`. Resolves to 0. {@link socketName} tells a port that the
 * kernel chose.
 *
 * Errors: EADDRINUSE, EADDRNOTAVAIL, EACCES (a port below 1024), EINVAL (it has an address). The address is copied. An error severs a link.
 *
 * @example
 * ```ts
 * import { AF_UNIX, bind, close, Ring, SOCK_DGRAM, socket, socketName } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(socket({ domain: AF_UNIX, type: SOCK_DGRAM }));
 * await ring.run(bind({ fd, address: { family: "unix", abstract: `example-${process.pid}` } }));
 * console.log(socketName(fd).family); // unix
 * await ring.run(close({ fd }));
 * ```
 */
export const bind = (options: AddressedOptions): Operation<number> => new Operation(BIND, options);

export const CONNECT = declare({
  name: "connect",
  opcode: IORING_OP_CONNECT,
  syscall: "connect(2)",
  since: "5.5",
  completions: "one",
  severs: true,
  options: ["fd", "address"],
  raw(slot: number, fd: number, address: number, length: number) {
    this.prep(IORING_OP_CONNECT, slot, fd, length, address, 0, 0, 0, 0, 0);
  },
  lower: BIND.lower,
  result: count,
});

/**
 * Connects a socket: `IORING_OP_CONNECT`, since 5.5; as `connect(2)`, waiting. Resolves to 0.
 *
 * Errors: ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EHOSTUNREACH, EISCONN, ENOENT (no such unix socket). The address is copied. An error
 * severs a link. After an abort the socket may be connecting still: close it.
 *
 * @example
 * ```ts
 * import { AF_INET, bind, close, connect, listen, Ring, SOCK_STREAM, socket, socketName } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const tcp = socket({ domain: AF_INET, type: SOCK_STREAM });
 * const [server, client] = [await ring.run(tcp), await ring.run(tcp)];
 * await ring.run(bind({ fd: server, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * await ring.run(listen({ fd: server }));
 * console.log(await ring.run(connect({ fd: client, address: socketName(server) }))); // 0
 * for (const fd of [client, server]) await ring.run(close({ fd }));
 * ```
 */
export const connect = (options: AddressedOptions): Operation<number> => new Operation(CONNECT, options);

/** Options of {@link listen}. */
export interface ListenOptions {
  /** The socket: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** How many connections may wait to be accepted; default 4096, and the kernel's somaxconn is the limit. */
  backlog?: number;
}

const BACKLOG = 4096;

export const LISTEN = declare({
  name: "listen",
  opcode: IORING_OP_LISTEN,
  syscall: "listen(2)",
  since: "6.11",
  completions: "one",
  severs: true,
  options: ["fd", "backlog"],
  raw(slot: number, fd: number, backlog: number) {
    this.prep(IORING_OP_LISTEN, slot, fd, 0, 0, backlog, 0, 0, 0, 0);
  },
  lower: (o: ListenOptions, l) => [
    l.file(o.fd),
    o.backlog === undefined ? BACKLOG : checkInteger(l.name, "backlog", o.backlog, 0, 0x7fff_ffff),
  ],
  result: count,
});

/**
 * Lets a socket accept connections: `IORING_OP_LISTEN`, since 6.11; as `listen(2)`. Resolves to 0.
 *
 * Errors: EADDRINUSE, EOPNOTSUPP (not a kind of socket that listens), EINVAL (it is connected). An error severs a link. No memory is
 * used.
 *
 * @example
 * ```ts
 * import { AF_INET, bind, close, listen, Ring, SOCK_STREAM, socket } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = await ring.run(socket({ domain: AF_INET, type: SOCK_STREAM }));
 * await ring.run(bind({ fd, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * console.log(await ring.run(listen({ fd, backlog: 16 }))); // 0
 * await ring.run(close({ fd }));
 * ```
 */
export const listen = (options: ListenOptions): Operation<number> => new Operation(LISTEN, options);

/** Options of {@link shutdown}. */
export interface ShutdownOptions {
  /** The socket: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`. */
  how: number;
}

export const SHUTDOWN = declare({
  name: "shutdown",
  opcode: IORING_OP_SHUTDOWN,
  syscall: "shutdown(2)",
  since: "5.11",
  completions: "one",
  options: ["fd", "how"],
  raw(slot: number, fd: number, how: number) {
    this.prep(IORING_OP_SHUTDOWN, slot, fd, 0, 0, how, 0, 0, 0, 0);
  },
  lower: (o: ShutdownOptions, l) => [l.file(o.fd), checkInteger(l.name, "how", o.how, 0, SHUT_RDWR, "SHUT_RD, SHUT_WR or SHUT_RDWR")],
  result: count,
});

/**
 * Ends one or both directions of a connection: `IORING_OP_SHUTDOWN`, since 5.11; as `shutdown(2)`. Resolves to 0. Whoever receives from
 * the socket, here or at the other end, finds the end of the stream.
 *
 * Errors: ENOTCONN, ENOTSOCK. **A failed shutdown of an unconnected socket does not sever a kernel link**; only on what is no socket at
 * all it does. No memory is used.
 *
 * @example
 * ```ts
 * import { recv, Ring, SHUT_WR, shutdown } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [near, far] = sys.socketpair(1, 1);
 * await ring.run(shutdown({ fd: near, how: SHUT_WR }));
 * console.log(await ring.run(recv({ fd: far, buffer: new Uint8Array(8) }))); // 0
 * for (const fd of [near, far]) sys.close(fd);
 * ```
 */
export const shutdown = (options: ShutdownOptions): Operation<number> => new Operation(SHUTDOWN, options);
