import { Op, type RequestTarget, type UblkQueue, type UblkRequest } from "../../ublk/index.ts";
import { Link } from "./link.ts";
import type { NbdShared } from "./open.ts";
import { Can, Command, FLAG_FUA, FLAG_NO_HOLE } from "./protocol.ts";
import { Work } from "./work.ts";

const EOPNOTSUPP = -95;

/** What the server is asked for; undefined for what has no command. */
function commandOf(op: number): number | undefined {
  switch (op) {
    case Op.READ:
      return Command.READ;
    case Op.WRITE:
      return Command.WRITE;
    case Op.FLUSH:
      return Command.FLUSH;
    case Op.DISCARD:
      return Command.TRIM;
    case Op.WRITE_ZEROES:
      return Command.WRITE_ZEROES;
    default:
      return undefined;
  }
}

/** Which ops an export can take. */
export const opsOf = (flags: number, readOnly: boolean): { flush: boolean; discard: boolean; writeZeroes: boolean } => ({
  flush: !readOnly && (flags & Can.FLUSH) !== 0,
  discard: !readOnly && (flags & Can.TRIM) !== 0,
  writeZeroes: !readOnly && (flags & Can.WRITE_ZEROES) !== 0,
});

/** Serves requests by a server's answers: each becomes a request of the protocol, on the queue's own connection. */
export class NbdRequests implements RequestTarget {
  readonly ops: { flush: boolean; discard: boolean; writeZeroes: boolean };
  readonly #link: Link;

  constructor({ readOnly, export: { flags } }: NbdShared, link: Link) {
    this.ops = opsOf(flags, readOnly);
    this.#link = link;
  }

  handle(request: UblkRequest): Promise<void> | void {
    const command = commandOf(request.op);
    if (command === undefined) return request.fail(EOPNOTSUPP);
    const durable = request.fua ? FLAG_FUA : 0;
    const flags = command === Command.WRITE_ZEROES && request.noUnmap ? durable | FLAG_NO_HOLE : durable;
    const work = new Work(request.defer(), command, flags);
    this.#link.submit(work);
    return work.ended;
  }

  detach(): void {
    this.#link.close();
  }
}

/** Connects a queue to the server. */
export async function attachNbd(queue: UblkQueue, shared: NbdShared): Promise<NbdRequests> {
  const { export: there, label } = shared;
  const { maxIoBytes, queue: number } = queue.spec;
  if (maxIoBytes > there.largest)
    throw new RangeError(
      `nbd: server '${label}' takes requests of ${there.largest} bytes at most; serve with maxIo: ${there.largest} or less`,
    );
  if (number > 0 && (there.flags & Can.MULTI_CONN) === 0)
    throw new TypeError(
      `nbd: server '${label}' does not say that a flush covers other connections (NBD_FLAG_CAN_MULTI_CONN), and each queue has one; serve with queues: 1`,
    );
  const link = new Link(queue, shared);
  await link.open();
  return new NbdRequests(shared, link);
}
