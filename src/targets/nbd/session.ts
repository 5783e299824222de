import { sys } from "../../ffi/index.ts";
import {
  type Fd,
  MSG_DONTWAIT,
  MSG_MORE,
  MSG_PEEK,
  MSG_WAITALL,
  type Ring,
  recv,
  SHUT_RDWR,
  SO_LINGER,
  SOL_SOCKET,
  send,
  setsockopt,
  shutdown,
} from "../../uring/index.ts";
import { ended, hangUp } from "./dial.ts";
import type { Incoming } from "./incoming.ts";
import type { Outgoing } from "./outgoing.ts";
import { Command, decodeReply, encodeRequest, errnoOfReply, NbdProtocolError, REPLY_BYTES, REQUEST_BYTES } from "./protocol.ts";
import type { Work } from "./work.ts";

/** What a session tells of its end. */
export interface SessionEvents {
  /** It is lost: nothing more can be sent by it. */
  lost(error: unknown): void;
  /** These requests were under way, and nothing of theirs is in flight any more. */
  dropped(works: readonly Work[], error: unknown): void;
  /** It had closed while nothing was under way: these were not sent. */
  unsent(works: readonly Work[]): void;
}

/** Heads that are sent at once. */
const BATCH = 32;
/** A connection that was idle for longer is looked at before it is used. */
const IDLE_MS = 1000;
/** `struct linger`: a close forgets what was not sent, and with it the pages. */
const ABORTIVE = Int32Array.of(1, 0);

/**
 * A connection to a server, after the negotiation. Requests are pipelined: one sender, which sends a head and its data before the next, and
 * one receiver, which takes a reply and its data before the next. While no request is under way nothing is in flight.
 */
export class Session {
  readonly #ring: Ring;
  readonly #fd: Fd;
  readonly #incoming: Incoming;
  readonly #outgoing: Outgoing;
  readonly #events: SessionEvents;
  readonly #works = new Map<number, Work>(); // by cookie, the oldest first: sent, or to be sent
  readonly #queue: number[] = []; // cookies: to be sent
  readonly #heads = new Uint8Array(BATCH * REQUEST_BYTES);
  readonly #headsView = new DataView(this.#heads.buffer);
  readonly #reply = new Uint8Array(REPLY_BYTES);
  readonly #replyView = new DataView(this.#reply.buffer);
  #cookie = 0;
  #awaited = 0; // replies
  #sending: Promise<void> | undefined;
  #receiving: Promise<void> | undefined;
  #idleSince = performance.now();
  #over = false; // lost, or closed
  #closed = false;

  constructor(ring: Ring, fd: Fd, data: { readonly incoming: Incoming; readonly outgoing: Outgoing }, events: SessionEvents) {
    this.#ring = ring;
    this.#fd = fd;
    this.#incoming = data.incoming;
    this.#outgoing = data.outgoing;
    this.#events = events;
  }

  /** The request that has been under way for longest. */
  get oldest(): Work | undefined {
    for (const work of this.#works.values()) return work;
    return undefined;
  }

  /** Sends a request, and ends it with the reply. */
  submit(work: Work): void {
    const cookie = ++this.#cookie;
    this.#works.set(cookie, work);
    this.#queue.push(cookie);
    this.#sending ??= this.#sendAll();
  }

  /** The connection counts as lost: it is torn down, and what was under way is dropped. */
  lose(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.lost(error);
    void this.#tearDown(error);
  }

  /** Takes leave of the server, if nothing is under way, and closes. The ring may be closed already. */
  close(): void {
    const orderly = !this.#over && this.#works.size === 0;
    this.#over = true;
    this.#close(orderly);
  }

  // ---- to the server

  async #sendAll(): Promise<void> {
    try {
      if (await this.#isThere()) while (this.#queue.length > 0 && !this.#over) await this.#sendSome();
      else if (!this.#over) this.#giveBack();
    } catch (error) {
      this.lose(error);
    } finally {
      this.#sending = undefined;
    }
  }

  /** The heads of several requests, up to the first that has data, and then the data. */
  async #sendSome(): Promise<void> {
    const { bytes, last } = this.#takeHeads();
    if (bytes === 0) return;
    this.#receiving ??= this.#receiveAll();
    if (last === undefined) await this.#sendHeads(bytes, 0);
    else await this.#sendWithData(bytes, last);
  }

  #takeHeads(): { bytes: number; last: Work | undefined } {
    let bytes = 0;
    while (this.#queue.length > 0 && bytes < this.#heads.length) {
      const cookie = this.#queue.shift()!;
      const work = this.#works.get(cookie)!;
      if (!work.wanted) {
        this.#works.delete(cookie);
        work.fail();
        continue;
      }
      const { command, flags, token } = work;
      encodeRequest(this.#headsView, bytes, { command, flags, cookie, offset: token.offset, length: token.length });
      bytes += REQUEST_BYTES;
      work.sent = true;
      this.#awaited++;
      if (command === Command.WRITE) return { bytes, last: work };
    }
    return { bytes, last: undefined };
  }

  async #sendHeads(bytes: number, more: number): Promise<void> {
    const buffer = this.#heads.subarray(0, bytes);
    if ((await this.#ring.run(send({ fd: this.#fd, buffer, flags: MSG_WAITALL | more }))) < bytes) throw ended();
  }

  // The next head may follow when the data is sent; the request ends when the kernel has let go of it, whatever the server answers before.
  async #sendWithData(bytes: number, work: Work): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    work.sending = promise;
    try {
      await this.#sendHeads(bytes, MSG_MORE);
      const { released } = await this.#outgoing.send(this.#fd, work.token);
      const done = (): void => resolve();
      void released.then(done, done);
    } catch (error) {
      work.broken = true;
      resolve();
      throw error;
    }
  }

  // A server that was started anew while nobody asked it for anything is no failure of the next request.
  async #isThere(): Promise<boolean> {
    if (this.#receiving !== undefined || performance.now() - this.#idleSince < IDLE_MS) return true;
    const peek = recv({ fd: this.#fd, buffer: new Uint8Array(1), flags: MSG_PEEK | MSG_DONTWAIT });
    const { code } = await this.#ring.run(peek).then(
      () => ({ code: "EOF" }), // or bytes that nobody has asked for
      (error: { code?: unknown }) => error,
    );
    return code === "EAGAIN";
  }

  #giveBack(): void {
    const works = [...this.#works.values()];
    this.#works.clear();
    this.#queue.length = 0;
    this.#over = true;
    this.#close();
    this.#events.unsent(works);
  }

  // ---- from the server

  async #receiveAll(): Promise<void> {
    try {
      while (this.#awaited > 0 && !this.#over) await this.#receiveOne();
      this.#idleSince = performance.now();
    } catch (error) {
      this.lose(error);
    } finally {
      this.#receiving = undefined;
    }
  }

  async #receiveOne(): Promise<void> {
    const got = await this.#ring.run(recv({ fd: this.#fd, buffer: this.#reply, flags: MSG_WAITALL }));
    if (got < REPLY_BYTES) throw ended();
    const { cookie, error } = decodeReply(this.#replyView);
    const work = this.#works.get(cookie);
    if (work === undefined || !work.sent || work.replied)
      throw new NbdProtocolError(`it replies to request ${cookie}, which waits for none`);
    if (error === 0 && work.command === Command.READ) await this.#incoming.receive(this.#fd, work.token);
    this.#awaited--;
    work.replied = true;
    if (work.sending !== undefined) void work.sending.then(() => this.#end(cookie, work, error));
    else this.#end(cookie, work, error);
  }

  #end(cookie: number, work: Work, error: number): void {
    this.#works.delete(cookie);
    if (work.broken) this.#events.dropped([work], ended());
    else work.end(error === 0 ? 0 : errnoOfReply(error));
  }

  // ---- the end

  async #tearDown(error: unknown): Promise<void> {
    await this.#ring.settle(shutdown({ fd: this.#fd, how: SHUT_RDWR })); // ends what is in flight on it
    await Promise.all([this.#sending, this.#receiving]);
    await this.#ring.settle(setsockopt({ fd: this.#fd, level: SOL_SOCKET, name: SO_LINGER, value: ABORTIVE }));
    this.#close();
    const works = [...this.#works.values()].filter(({ replied }) => !replied); // those that are end with their answer
    await Promise.all(works.map((work) => work.sending));
    this.#events.dropped(works, error);
  }

  #close(orderly = false): void {
    if (this.#closed) return;
    this.#closed = true;
    if (orderly) hangUp(this.#fd);
    else sys.close(this.#fd);
  }
}
