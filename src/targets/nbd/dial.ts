import { sys } from "../../ffi/index.ts";
import {
  AF_INET,
  AF_INET6,
  connect,
  type Fd,
  IPPROTO_TCP,
  MSG_WAITALL,
  type Ring,
  recv,
  SOCK_STREAM,
  type SocketAddress,
  send,
  setsockopt,
  socket,
  TCP_NODELAY,
} from "../../uring/index.ts";
import {
  addInfo,
  answerGreeting,
  Command,
  completeExport,
  decodeOptionReply,
  type Export,
  encodeGo,
  encodeRequest,
  GREETING_BYTES,
  NbdProtocolError,
  OPTION_REPLY_BYTES,
  REP_ACK,
  REP_INFO,
  REQUEST_BYTES,
  refusal,
} from "./protocol.ts";

/** Where a server is, and what is wanted of it. */
export interface Peer {
  readonly address: SocketAddress;
  /** The export. */
  readonly name: string;
  /** For how long it may take to answer. */
  readonly timeoutMs: number;
}

/** A connection of which the negotiation is over. */
export interface Dialled {
  readonly fd: Fd;
  readonly export: Export;
}

/** Replies to one option: more of them are no negotiation. */
const REPLIES_MAX = 64;

/** The two directions of a connection, for the negotiation. */
export interface Wire {
  send(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Exactly so many bytes. */
  receive(length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** The server has closed the connection. */
export const ended = (): Error => new Error("the server has closed the connection");

/** Negotiates for an export: fixed newstyle, NBD_OPT_GO. */
export async function negotiate(wire: Wire, name: string): Promise<Export> {
  await wire.send(answerGreeting(await wire.receive(GREETING_BYTES)));
  await wire.send(encodeGo(name));
  let known: Partial<Export> = {};
  for (let i = 0; i < REPLIES_MAX; i++) {
    const { type, length } = decodeOptionReply(await wire.receive(OPTION_REPLY_BYTES));
    const data = length === 0 ? new Uint8Array(0) : await wire.receive(length);
    if (type === REP_ACK) return completeExport(known);
    if (type >= 0x8000_0000) throw refusal(type, data);
    if (type === REP_INFO) known = addInfo(known, data);
    else throw new NbdProtocolError(`it replies to NBD_OPT_GO with type ${type}`);
  }
  throw new NbdProtocolError(`it has sent ${REPLIES_MAX} replies to one option and goes on`);
}

function wireOf(ring: Ring, fd: Fd, signal: AbortSignal): Wire {
  const options = { signal };
  return {
    async send(buffer) {
      await ring.run(send({ fd, buffer, flags: MSG_WAITALL }).exact(), options);
    },
    async receive(length) {
      const buffer = new Uint8Array(length);
      if ((await ring.run(recv({ fd, buffer, flags: MSG_WAITALL }), options)) < length) throw ended();
      return buffer;
    },
  };
}

/** Connects to a server, and negotiates. Whatever fails leaves nothing open. */
export async function dial(ring: Ring, { address, name, timeoutMs }: Peer): Promise<Dialled> {
  const signal = AbortSignal.timeout(timeoutMs);
  const fd = await ring.run(socket({ domain: address.family === "ipv6" ? AF_INET6 : AF_INET, type: SOCK_STREAM }));
  try {
    await ring.run(connect({ fd, address }), { signal });
    // Small requests must not wait for each other's acknowledgement. Before Linux 6.7 they do.
    await ring.settle(setsockopt({ fd, level: IPPROTO_TCP, name: TCP_NODELAY, value: 1 }));
    return { fd, export: await negotiate(wireOf(ring, fd, signal), name) };
  } catch (error) {
    sys.close(fd);
    throw signal.aborted ? new Error(`the server has not answered within ${timeoutMs} ms`, { cause: error }) : error;
  }
}

/** Takes leave of a server that has answered all, and closes. Needs no ring. */
export function hangUp(fd: Fd): void {
  const bytes = new Uint8Array(REQUEST_BYTES);
  encodeRequest(new DataView(bytes.buffer), 0, { command: Command.DISC, flags: 0, cookie: 0, offset: 0, length: 0 });
  try {
    sys.write(fd, bytes); // nothing else waits in the socket: there is room
  } catch {
    // The server has gone first.
  }
  sys.close(fd);
}
