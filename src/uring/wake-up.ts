import { EFD_NONBLOCK, sys } from "../ffi/index.ts";

/** The part of a stream's reader that is used; the type packages disagree about the rest. */
interface Reader {
  read(): Promise<{ done: boolean }>;
  cancel(): Promise<void>;
  releaseLock(): void;
}

/** An eventfd that the event loop listens to: how the kernel wakes a thread that is not in enter. */
export class WakeUp {
  readonly eventfd: number = sys.eventfd(0, EFD_NONBLOCK);
  readonly #told: () => void;
  #stream: ReadableStream<Uint8Array>;
  #reader: Reader | undefined;
  #stopped = false;
  #closed = false;
  #heard = false;

  /** `told` is called once for each wake-up. */
  constructor(told: () => void) {
    this.#told = told;
    this.#stream = Bun.file(this.eventfd).stream();
  }

  /** Whether there was a wake-up since this was last read. */
  heard(): boolean {
    const heard = this.#heard;
    this.#heard = false;
    return heard;
  }

  /** Begins to listen, which holds the process open. */
  listen(): void {
    if (this.#stopped || this.#reader !== undefined) return;
    const reader: Reader = this.#stream.getReader();
    this.#reader = reader;
    this.#pump(reader);
  }

  /** Listens no more: this does not hold the process open. */
  mute(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.releaseLock();
  }

  /** Listens anew: Bun has lost a wake-up, and with it the readiness of the descriptor. */
  renew(): void {
    if (this.#stopped || this.#reader === undefined) return;
    this.#cancel();
    this.#stream = Bun.file(this.eventfd).stream();
    this.listen();
  }

  /** Ends Bun's interest in the descriptor, for good. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cancel();
  }

  /** Closes the descriptor, at once: a Worker may have no turn of its event loop, nor of its microtasks, after this. */
  close(): void {
    this.stop();
    if (this.#closed) return;
    this.#closed = true;
    sys.close(this.eventfd);
  }

  // Bun listens to a duplicate of the descriptor, which it closes in here.
  #cancel(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    const cancelled = reader === undefined ? this.#stream.cancel() : reader.cancel();
    cancelled.catch(() => {}); // of a stream that has failed there is nothing left to cancel
  }

  #pump(reader: Reader): void {
    if (this.#reader !== reader) return;
    reader.read().then(
      ({ done }) => {
        if (done || this.#stopped || this.#reader !== reader) return;
        this.#heard = true;
        this.#pump(reader); // first, so that an event loop nested in what follows is woken as well
        this.#told();
      },
      () => {}, // the lock was released: nobody waits for this reader any more
    );
  }
}
