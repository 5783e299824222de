import {
  AF_INET,
  AF_INET6,
  type BufferGroup,
  close,
  connect,
  type Fd,
  type Ring,
  recvmsgMultishot,
  SOCK_DGRAM,
  type SocketAddress,
  send,
  socket,
} from "uring-ublk";

/** What the relay works with. */
export interface Relay {
  readonly ring: Ring;
  /** The socket that clients send to. */
  readonly fd: Fd;
  readonly group: BufferGroup;
  readonly server: SocketAddress;
  /** Clients at a time. */
  readonly most: number;
  readonly signal: AbortSignal;
}

/** One client: its address, and the socket that talks to the server for it. */
interface Session {
  readonly fd: Fd;
  /** Ends it: nothing is received for this client any more. */
  readonly stop: AbortController;
  readonly answering: Promise<void>;
}

/** The relay's clients, the one that was silent longest first. */
export class Sessions {
  readonly #relay: Relay;
  readonly #byClient = new Map<string, Session>();
  readonly #ending = new Set<Promise<void>>();
  #clients = 0;
  #there = 0;
  #back = 0;

  constructor(relay: Relay) {
    this.#relay = relay;
  }

  /** What was done, for the last line. */
  get summary(): string {
    return `relay: ${this.#clients} clients, ${this.#there} datagrams there, ${this.#back} back`;
  }

  /** Sends a client's datagram to the server. What cannot be sent is lost, as datagrams are. */
  async forward(client: SocketAddress, bytes: Uint8Array): Promise<void> {
    const { ring, signal } = this.#relay;
    const { fd } = await this.#sessionOf(client);
    const sent = await ring.settle(send({ fd, buffer: bytes }), { signal });
    if (sent.status === "fulfilled") this.#there++;
  }

  /** Ends all sessions. */
  async end(): Promise<void> {
    for (const key of [...this.#byClient.keys()]) this.#drop(key);
    await Promise.all(this.#ending);
  }

  async #sessionOf(client: SocketAddress): Promise<Session> {
    const key = JSON.stringify(client);
    const known = this.#byClient.get(key);
    if (known !== undefined) {
      this.#byClient.delete(key); // and to the end of the line
      this.#byClient.set(key, known);
      return known;
    }
    const [silent] = this.#byClient.keys();
    if (silent !== undefined && this.#byClient.size >= this.#relay.most) this.#drop(silent);
    const session = await this.#open(key, client);
    this.#byClient.set(key, session);
    this.#clients++;
    return session;
  }

  async #open(key: string, client: SocketAddress): Promise<Session> {
    const { ring, server, signal } = this.#relay;
    const fd = await ring.run(socket({ domain: server.family === "ipv6" ? AF_INET6 : AF_INET, type: SOCK_DGRAM }));
    await ring.run(connect({ fd, address: server })); // a connected socket hears this server only
    const stop = new AbortController();
    return { fd, stop, answering: this.#answer(key, fd, client, AbortSignal.any([signal, stop.signal])) };
  }

  #drop(key: string): void {
    const session = this.#byClient.get(key)!;
    this.#byClient.delete(key);
    session.stop.abort();
    const ending = session.answering.finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  // The server's answers, until the session ends.
  async #answer(key: string, fd: Fd, client: SocketAddress, signal: AbortSignal): Promise<void> {
    const { ring, group } = this.#relay;
    while (!signal.aborted) {
      try {
        for await (const { bytes } of ring.run(recvmsgMultishot({ fd, group }), { signal })) {
          const sent = await ring.settle(send({ fd: this.#relay.fd, address: client, buffer: bytes }), { signal });
          if (sent.status === "fulfilled") this.#back++;
        }
      } catch (error) {
        // ECONNREFUSED: the server is not there at the moment. The next datagram may find it.
        if ((error as { code?: unknown }).code !== "ECONNREFUSED") break;
      }
    }
    if (this.#byClient.get(key)?.fd === fd) this.#byClient.delete(key); // nobody sends on it any more
    await ring.run(close({ fd })).catch(() => {});
  }
}
