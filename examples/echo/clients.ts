import { type BufferGroup, close, MSG_WAITALL, type Ring, recv, send, sendZc } from "uring-ublk";

/** The connections of the echo server. */
export class Clients {
  readonly #ring: Ring;
  readonly #group: BufferGroup;
  readonly #zeroCopyFrom: number;
  readonly #signal: AbortSignal;
  readonly #active = new Set<Promise<void>>();
  #tellLeft: (() => void) | undefined;
  #served = 0;
  #bytes = 0;
  #zeroCopy = 0;
  #copied = 0;

  constructor(ring: Ring, group: BufferGroup, zeroCopyFrom: number, signal: AbortSignal) {
    this.#ring = ring;
    this.#group = group;
    this.#zeroCopyFrom = zeroCopyFrom;
    this.#signal = signal;
  }

  /** What was done, for the last line. */
  get summary(): string {
    const sends = this.#zeroCopy === 0 ? "" : `; ${this.#zeroCopy} zero-copy sends, of which the kernel copied ${this.#copied}`;
    return `echo: ${this.#served} connections, ${this.#bytes} bytes${sends}`;
  }

  /** Serves a connection until it ends, and closes it. */
  serve(fd: number): void {
    const serving = this.#echo(fd).finally(() => {
      this.#active.delete(serving);
      this.#tellLeft?.();
    });
    this.#active.add(serving);
    this.#served++;
  }

  /** Resolves when there is room for another. */
  async fewerThan(most: number): Promise<void> {
    while (this.#active.size >= most) {
      await new Promise<void>((resolve) => {
        this.#tellLeft = resolve;
      });
    }
  }

  /** Resolves when all connections are closed. */
  async ended(): Promise<void> {
    await Promise.all(this.#active);
  }

  async #echo(fd: number): Promise<void> {
    try {
      for (;;) {
        const chunk = await this.#ring.run(recv({ fd, group: this.#group }), { signal: this.#signal });
        if (chunk.bytes.length === 0) break; // the client has said all it wanted
        this.#bytes += chunk.bytes.length;
        try {
          await this.#answer(fd, chunk.bytes);
        } finally {
          if (!this.#signal.aborted) chunk.release(); // or the kernel may be sending from it still
        }
      }
    } catch {
      // A connection that breaks, and Ctrl-C, end this one only.
    } finally {
      await this.#ring.run(close({ fd })).catch(() => {});
    }
  }

  // When this resolves, the kernel has let go of the bytes.
  async #answer(fd: number, buffer: Uint8Array): Promise<void> {
    const options = { signal: this.#signal };
    if (buffer.length < this.#zeroCopyFrom) {
      await this.#ring.run(send({ fd, buffer, flags: MSG_WAITALL }), options);
      return;
    }
    const { released } = await this.#ring.run(sendZc({ fd, buffer, flags: MSG_WAITALL, reportUsage: true }), options);
    const usage = await unlessAborted(released, this.#signal);
    this.#zeroCopy++;
    if (usage === "copied") this.#copied++;
  }
}

// The peer decides when a notification comes: Ctrl-C does not wait for it.
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const stopped = Promise.withResolvers<never>();
  const stop = (): void => stopped.reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([promise, stopped.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
