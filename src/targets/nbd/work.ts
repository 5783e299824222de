import type { DeferredRequest } from "../../ublk/index.ts";

const EIO = -5;

/** A request on its way to the server and back. */
export class Work {
  /** The request. It may end without the server: when the disk stops and waits no longer. */
  readonly token: DeferredRequest;
  readonly command: number;
  readonly flags: number;
  /** When it came, by `performance.now()`. */
  readonly since = performance.now();
  /** The request ends with it; what it rejects with is told by the disk's `requesterror` event. */
  readonly ended: Promise<void>;
  /** Its head is on its way. */
  sent = false;
  /** The server has answered. */
  replied = false;
  /** Its data could not be sent as a whole: some of it may be in flight. */
  broken = false;
  /** A WRITE whose head has been sent: resolves when the kernel has let go of its data. Never rejects. */
  sending: Promise<void> | undefined;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;

  constructor(token: DeferredRequest, command: number, flags: number) {
    this.token = token;
    this.command = command;
    this.flags = flags;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Whether somebody still waits for it. */
  get wanted(): boolean {
    return this.token.open;
  }

  /** Ends it with the server's answer: 0, or an errno. */
  end(errno: number): void {
    if (this.token.open) {
      if (errno === 0) this.token.complete();
      else this.token.fail(errno);
    }
    this.#resolve();
  }

  /** It fails with EIO, and nobody is told why: somebody was told before. */
  fail(): void {
    this.end(EIO);
  }

  /** It fails with EIO, and the disk tells of the error. */
  failWith(error: unknown): void {
    this.#reject(error);
  }
}
