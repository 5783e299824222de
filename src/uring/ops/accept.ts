import { sys } from "../../ffi/index.ts";
import { IORING_OP_ACCEPT } from "../abi.ts";
import type { DirectSlot, Fd, FixedFile } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { declare, Operation } from "../operation.ts";
import { checkBoolean } from "../options.ts";
import { NAME_OUTPUT, nameFrom, type SocketAddress } from "../socket-address.ts";
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from "../socket-constants.ts";
import { emptySlot, filled, TABLE_HINTS } from "./descriptors.ts";
import { flagged } from "./message-options.ts";

/** What every accept takes. */
export interface AcceptBase {
  /** The listening socket: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** The accepted socket gets O_NONBLOCK, for others who use the descriptor; operations of a ring wait all the same. */
  nonblocking?: boolean;
  /** No connection is expected yet: wait for one before the first attempt (`ACCEPT_POLL_FIRST`, 6.10). */
  pollFirst?: boolean;
}

/** Options of {@link accept}. */
export interface AcceptOptions extends AcceptBase {
  /** Tells the peer's address as well. */
  address?: boolean;
  /** Fails with EAGAIN instead of waiting for a connection (`ACCEPT_DONTWAIT`, 6.10). */
  dontWait?: boolean;
}

/** Options of {@link acceptDirect}. */
export interface AcceptDirectOptions extends AcceptOptions {
  /** Where in the ring's file table; `"any"` lets the kernel choose. */
  slot: DirectSlot;
}

/** A connection, and whose it is. */
export interface Accepted<Handle> {
  /** The connected socket. */
  readonly fd: Handle;
  /** The peer's address. */
  readonly address: SocketAddress;
}

/** The names of the options of {@link AcceptBase}. */
export const ACCEPT_BASE = ["fd", "nonblocking", "pollFirst"] as const;
/** What errors mean where a slot of the file table is filled. */
export const DIRECT_HINTS = {
  ...TABLE_HINTS,
  ENFILE: `${TABLE_HINTS.ENFILE}; the connection was dropped`,
  EINVAL: "the socket does not listen, the slot lies outside the ring's file table, or this kernel does not know a flag",
};
/** What errors mean elsewhere. */
export const HINTS = { EINVAL: "the socket does not listen, or this kernel does not know a flag" };
/** Lowers the options of {@link AcceptBase}: answers the descriptor and the flags of the new one. */
export function acceptBase(o: AcceptBase, l: Lowering, forced: number): [fd: number, flags: number] {
  flagged("pollFirst", o.pollFirst, "IORING_ACCEPT_POLL_FIRST", l);
  const nonblocking = o.nonblocking !== undefined && checkBoolean(l.name, "nonblocking", o.nonblocking);
  return [l.file(o.fd), forced | (nonblocking ? SOCK_NONBLOCK : 0)];
}

// The peer's address, when it is wanted: where to, and where its length is.
function peer(o: AcceptOptions, l: Lowering): [address: number, length: number] {
  flagged("dontWait", o.dontWait, "IORING_ACCEPT_DONTWAIT", l);
  if (o.address === undefined || !checkBoolean(l.name, "address", o.address)) return [0, 0];
  const at = l.allocate(NAME_OUTPUT.bytes);
  l.output.setUint32(NAME_OUTPUT.lengthAt, NAME_OUTPUT.lengthAt, true);
  return [at, at + NAME_OUTPUT.lengthAt];
}

const withPeer = <Handle>(fd: Handle, o: AcceptOptions, { output }: Lowering): Handle | Accepted<Handle> =>
  o.address === true ? { fd, address: nameFrom(output) } : fd;

export const ACCEPT = declare({
  name: "accept",
  opcode: IORING_OP_ACCEPT,
  syscall: "accept4(2)",
  since: "5.5",
  completions: "one",
  severs: true,
  options: ["address", "dontWait", ...ACCEPT_BASE],
  hints: HINTS,
  raw(slot: number, fd: number, address: number, length: number, flags: number, fileIndex: number = 0) {
    this.prep(IORING_OP_ACCEPT, slot, fd, length, address, 0, flags, 0, fileIndex, 0);
  },
  lower(o: AcceptOptions, l) {
    const [fd, flags] = acceptBase(o, l, SOCK_CLOEXEC);
    return [fd, ...peer(o, l), flags, 0];
  },
  result: (fd: number, _flags, o: AcceptOptions, l): Fd | Accepted<Fd> => withPeer(fd, o, l),
  discard: (fd) => sys.close(fd),
});

export const ACCEPT_DIRECT = declare({
  name: "acceptDirect",
  opcode: IORING_OP_ACCEPT,
  syscall: "accept4(2)",
  since: "5.15",
  completions: "one",
  options: ["slot", "address", "dontWait", ...ACCEPT_BASE],
  hints: DIRECT_HINTS,
  raw: ACCEPT.raw,
  lower(o: AcceptDirectOptions, l) {
    const [fd, flags] = acceptBase(o, l, 0); // a table slot has no descriptor flags
    return [fd, ...peer(o, l), flags, l.place(o.slot)];
  },
  result: (result: number, _flags, o: AcceptDirectOptions, l): FixedFile | Accepted<FixedFile> => withPeer(filled(o.slot, result), o, l),
  discard: (result, _flags, o, ring) => emptySlot(filled(o.slot, result).slot, ring),
});

/**
 * Accepts a connection: `IORING_OP_ACCEPT`, since 5.5; as `accept4(2)` with SOCK_CLOEXEC. Resolves to the descriptor, which the caller
 * closes, or with `address: true` to an {@link Accepted}: the descriptor and the peer's address. One that arrives after an abort is
 * closed.
 *
 * Errors: EAGAIN (`dontWait`), EINVAL (the socket does not listen), EMFILE, ECONNABORTED. An error severs a link. Memory for the address
 * is the operation's own.
 *
 * @example
 * ```ts
 * import { accept, bind, connect, listen, Ring, socket, socketName } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const tcp = socket({ domain: 2, type: 1 }); // AF_INET, SOCK_STREAM
 * const server = await ring.run(tcp);
 * await ring.run(bind({ fd: server, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * await ring.run(listen({ fd: server }));
 * const client = await ring.run(tcp);
 * const accepting = ring.run(accept({ fd: server, address: true }));
 * await ring.run(connect({ fd: client, address: socketName(server) }));
 * const { fd, address } = await accepting;
 * console.log(address.family === "ipv4" && address.address); // 127.0.0.1
 * for (const each of [fd, client, server]) sys.close(each);
 * ```
 */
export function accept(options: AcceptOptions & { address: true }): Operation<Accepted<Fd>>;
export function accept(options: AcceptOptions & { address?: false }): Operation<Fd>;
export function accept(options: AcceptOptions): Operation<Fd | Accepted<Fd>>;
export function accept(options: AcceptOptions): Operation<Fd | Accepted<Fd>> {
  return new Operation(ACCEPT, options);
}

/**
 * Accepts a connection into a slot of the ring's file table: `IORING_OP_ACCEPT` with a direct descriptor, since 5.15 (`"any"`: 5.19); as
 * `accept4(2)`. Resolves to the {@link FixedFile}, or with `address: true` to an {@link Accepted}. One that arrives after an abort is
 * closed.
 *
 * Errors: as {@link accept}; ENXIO (there is no file table), ENFILE (`"any"`, and the table is full: the connection is dropped). An error
 * severs a link. Memory for the address is the operation's own.
 *
 * @example
 * ```ts
 * import { acceptDirect, bind, closeDirect, connect, listen, Ring, send, socket, socketName } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
 * const tcp = socket({ domain: 2, type: 1 }); // AF_INET, SOCK_STREAM
 * const [server, client] = [await ring.run(tcp), await ring.run(tcp)];
 * await ring.run(bind({ fd: server, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * await ring.run(listen({ fd: server }));
 * const accepting = ring.run(acceptDirect({ fd: server, slot: "any" }));
 * await ring.run(connect({ fd: client, address: socketName(server) }));
 * const connection = await accepting;
 * console.log(await ring.run(send({ fd: connection, buffer: new Uint8Array(5) }))); // 5
 * await ring.run(closeDirect({ slot: connection }));
 * for (const fd of [client, server]) sys.close(fd);
 * ```
 */
export function acceptDirect(options: AcceptDirectOptions & { address: true }): Operation<Accepted<FixedFile>>;
export function acceptDirect(options: AcceptDirectOptions & { address?: false }): Operation<FixedFile>;
export function acceptDirect(options: AcceptDirectOptions): Operation<FixedFile | Accepted<FixedFile>>;
export function acceptDirect(options: AcceptDirectOptions): Operation<FixedFile | Accepted<FixedFile>> {
  return new Operation(ACCEPT_DIRECT, options);
}
