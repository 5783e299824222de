import { sys } from "../../ffi/index.ts";
import { IORING_ACCEPT_MULTISHOT, IORING_OP_ACCEPT } from "../abi.ts";
import { type Fd, FixedFile } from "../handles.ts";
import { declare, MultishotOperation } from "../operation.ts";
import { SOCK_CLOEXEC } from "../socket-constants.ts";
import { ACCEPT_BASE, type AcceptBase, acceptBase, DIRECT_HINTS, HINTS } from "./accept.ts";
import { emptySlot } from "./descriptors.ts";

/** Connections that may wait for the consumer of an iteration; the others wait in the listening socket. */
const AHEAD = 64;

export const ACCEPT_MULTISHOT = declare({
  name: "acceptMultishot",
  opcode: IORING_OP_ACCEPT,
  syscall: "accept4(2)",
  since: "5.19",
  needs: "IORING_ACCEPT_MULTISHOT",
  completions: "many",
  options: ACCEPT_BASE,
  hints: HINTS,
  raw(slot: number, fd: number, flags: number, fileIndex: number = 0) {
    this.prep(IORING_OP_ACCEPT, slot, fd, 0, 0, 0, flags, 0, fileIndex, 0);
    this.setIoprio(IORING_ACCEPT_MULTISHOT);
  },
  lower: (o: AcceptBase, l) => [...acceptBase(o, l, SOCK_CLOEXEC), 0],
  result: (fd: number): Fd => fd,
  discard: (fd) => sys.close(fd),
  shots: { ahead: AHEAD, again: (_result, _flags, o) => o },
});

export const ACCEPT_MULTISHOT_DIRECT = declare({
  name: "acceptMultishotDirect",
  opcode: IORING_OP_ACCEPT,
  syscall: "accept4(2)",
  since: "5.19",
  needs: "IORING_ACCEPT_MULTISHOT",
  completions: "many",
  options: ACCEPT_BASE,
  hints: DIRECT_HINTS,
  raw: ACCEPT_MULTISHOT.raw,
  lower: (o: AcceptBase, l) => [...acceptBase(o, l, 0), l.place("any")],
  result: (slot: number): FixedFile => new FixedFile(slot),
  discard: (slot, _flags, _o, ring) => emptySlot(slot, ring),
  shots: { ahead: AHEAD, again: (_result, _flags, o) => o },
});

/**
 * Accepts connection after connection: `IORING_OP_ACCEPT` with ACCEPT_MULTISHOT, since 5.19. `ring.run` of it is an async iterable of
 * descriptors, which the caller closes. Those that nobody takes, because the iteration is left or aborted, are closed. A consumer that is
 * slow does not pile connections up: more than some dozens wait in the listening socket.
 *
 * The kernel cannot tell the peers' addresses here: {@link peerName} asks for one. Errors: as {@link accept}; they end the iteration,
 * which may be started again. It cannot stand in a link. No memory is used.
 *
 * @example
 * ```ts
 * import { acceptMultishot, bind, connect, listen, peerName, Ring, socket, socketName } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const tcp = socket({ domain: 2, type: 1 }); // AF_INET, SOCK_STREAM
 * const [server, client] = [await ring.run(tcp), await ring.run(tcp)];
 * await ring.run(bind({ fd: server, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * await ring.run(listen({ fd: server }));
 * await ring.run(connect({ fd: client, address: socketName(server) }));
 * for await (const fd of ring.run(acceptMultishot({ fd: server }))) {
 *   console.log(peerName(fd).family); // ipv4
 *   sys.close(fd);
 *   break;
 * }
 * for (const fd of [client, server]) sys.close(fd);
 * ```
 */
export const acceptMultishot = (options: AcceptBase): MultishotOperation<Fd> => new MultishotOperation(ACCEPT_MULTISHOT, options);

/**
 * Accepts connection after connection into free slots of the ring's file table: `IORING_OP_ACCEPT` with ACCEPT_MULTISHOT and direct
 * descriptors, since 5.19. `ring.run` of it is an async iterable of {@link FixedFile}, each to be closed with `closeDirect`. Those that
 * nobody takes are closed.
 *
 * Errors: as {@link acceptDirect}. With a full table (ENFILE) the iteration ends. It cannot stand in a link. No memory is used.
 *
 * @example
 * ```ts
 * import { acceptMultishotDirect, bind, closeDirect, connect, listen, Ring, socket, socketName } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
 * const tcp = socket({ domain: 2, type: 1 }); // AF_INET, SOCK_STREAM
 * const [server, client] = [await ring.run(tcp), await ring.run(tcp)];
 * await ring.run(bind({ fd: server, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
 * await ring.run(listen({ fd: server }));
 * await ring.run(connect({ fd: client, address: socketName(server) }));
 * for await (const connection of ring.run(acceptMultishotDirect({ fd: server }))) {
 *   console.log(connection.slot); // 0
 *   await ring.run(closeDirect({ slot: connection }));
 *   break;
 * }
 * for (const fd of [client, server]) sys.close(fd);
 * ```
 */
export const acceptMultishotDirect = (options: AcceptBase): MultishotOperation<FixedFile> =>
  new MultishotOperation(ACCEPT_MULTISHOT_DIRECT, options);
