import { close, MSG_WAITALL, type Ring, recv, send, sendmsg } from "uring-ublk";
import type { Image } from "./image.ts";
import { negotiate } from "./negotiation.ts";
import { Command, decodeRequest, Errno, LARGEST, ProtocolError, type Request, reply } from "./protocol.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Requests of a connection at a time, each with as much memory as the longest needs. */
const AT_A_TIME = 16;
const REQUEST_BYTES = 28;

/** The client has gone, as clients do. */
export class Gone extends Error {}

/** A client's connection: a negotiation, and then requests, of which several are under way at a time. */
export class Connection {
  readonly #ring: Ring;
  readonly #fd: number;
  readonly #image: Image;
  readonly #broken = new AbortController();
  readonly #options: { signal: AbortSignal };
  readonly #free: Bytes[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #buffers = 0;
  #lastReply: Promise<void> = Promise.resolve();

  constructor(ring: Ring, fd: number, image: Image, signal: AbortSignal) {
    this.#ring = ring;
    this.#fd = fd;
    this.#image = image;
    this.#options = { signal: AbortSignal.any([signal, this.#broken.signal]) };
  }

  /** Serves until the client has gone; answers how many requests there were. */
  async serve(): Promise<number> {
    let requests = 0;
    try {
      if (!(await negotiate(this, this.#image.export))) return 0;
      for (;;) {
        const request = decodeRequest(await this.receive(REQUEST_BYTES));
        if (request.command === Command.DISC) return requests;
        requests++;
        await this.#accept(request);
      }
    } catch (error) {
      if (error instanceof Gone || this.#options.signal.aborted) return requests;
      throw error;
    } finally {
      await Promise.all(this.#underWay); // memory, and the descriptor, are in use until then
      await this.#ring.run(close({ fd: this.#fd }));
    }
  }

  /** Exactly so many bytes of the client. */
  async receive(length: number): Promise<Bytes> {
    const bytes = new Uint8Array(length);
    await this.#fill(bytes);
    return bytes;
  }

  async send(buffer: Bytes): Promise<void> {
    await this.#ring.run(send({ fd: this.#fd, buffer, flags: MSG_WAITALL }).exact(), this.#options);
  }

  async #fill(buffer: Bytes): Promise<void> {
    const got = await this.#ring.run(recv({ fd: this.#fd, buffer, flags: MSG_WAITALL }), this.#options).catch((error) => {
      throw (error as { code?: unknown }).code === "ECONNRESET" ? new Gone() : error;
    });
    if (got < buffer.length) throw new Gone();
  }

  /** Takes a request, with its data if it has some, and begins it. While there is no memory for one more, the client waits. */
  async #accept(request: Request): Promise<void> {
    const { command, length } = request;
    const hasData = command === Command.READ || command === Command.WRITE;
    if (command === Command.WRITE && length > LARGEST)
      throw new ProtocolError(`a WRITE of ${length} bytes; ${LARGEST} is the most, as it was told`);
    const memory = await this.#memory();
    const data = hasData ? memory.subarray(0, Math.min(length, LARGEST)) : memory.subarray(0, 0);
    if (command === Command.WRITE && length > 0) await this.#fill(data);
    const going = this.#carryOut(request, data)
      .catch((error: unknown) => this.#broken.abort(error))
      .finally(() => {
        this.#underWay.delete(going);
        this.#free.push(memory);
      });
    this.#underWay.add(going);
  }

  async #memory(): Promise<Bytes> {
    while (this.#free.length === 0 && this.#buffers === AT_A_TIME) await Promise.race(this.#underWay);
    this.#options.signal.throwIfAborted();
    if (this.#free.length > 0) return this.#free.pop()!;
    this.#buffers++;
    return new Uint8Array(LARGEST);
  }

  async #carryOut(request: Request, data: Bytes): Promise<void> {
    const { command, cookie, length } = request;
    const tooLong = command === Command.READ && length > LARGEST ? Errno.EOVERFLOW : 0;
    const problem = this.#image.problem(request) || tooLong;
    const error = problem || (await this.#image.perform(request, data));
    const head = reply(cookie, error);
    await this.#answer(command === Command.READ && error === 0 ? [head, data] : [head]);
  }

  // One reply after the other: the head of one must not come between another and its data.
  #answer(buffers: Bytes[]): Promise<void> {
    const sending = this.#lastReply.then(async () => {
      const all = buffers.reduce((bytes, { length }) => bytes + length, 0);
      if ((await this.#ring.run(sendmsg({ fd: this.#fd, buffers, flags: MSG_WAITALL }), this.#options)) < all) throw new Gone();
    });
    this.#lastReply = sending.catch(() => {});
    return sending;
  }
}
