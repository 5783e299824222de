import { UblkError } from "./error.ts";

const EIO = -5;

/** The abort signals of a queue's requests, made when they are asked for. */
export class TagSignals {
  readonly #device: number;
  readonly #controllers = new Map<number, AbortController>();

  constructor(device: number) {
    this.#device = device;
  }

  /** Requests that have a signal. */
  get count(): number {
    return this.#controllers.size;
  }

  /** The signal of a tag's request. */
  of(tag: number): AbortSignal {
    let controller = this.#controllers.get(tag);
    if (controller === undefined) this.#controllers.set(tag, (controller = new AbortController()));
    return controller.signal;
  }

  /** A signal that is aborted, for a request that is over. */
  over(): AbortSignal {
    return AbortSignal.abort(gone(this.#device));
  }

  /** Aborts the signal of a tag's request, if it has one. */
  abort(tag: number): void {
    this.#controllers.get(tag)?.abort(gone(this.#device));
  }

  /** The tag's request is finished: its signal aborts no more. */
  forget(tag: number): void {
    this.#controllers.delete(tag);
  }

  /** Aborts all of them. */
  abortAll(): void {
    for (const controller of this.#controllers.values()) controller.abort(gone(this.#device));
    this.#controllers.clear();
  }
}

const gone = (device: number): UblkError =>
  new UblkError({ command: "stop", device, errno: EIO, hint: "the device is stopping and does not wait for this request any longer" });
