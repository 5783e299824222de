import { errnoName } from "../ffi/index.ts";
import { IORING_CQE_F_BUFFER, IORING_CQE_F_NOTIF } from "./abi.ts";
import type { Canceller } from "./canceller.ts";
import { ProtocolError, UringError } from "./error.ts";
import type { OperationHandle } from "./handle.ts";
import type { Lowering } from "./lowering.ts";
import type { Operation } from "./operation.ts";
import type { RawRing } from "./raw-ring.ts";

/** What an operation in flight reports to whoever started it. */
export interface Listener<Result> {
  fulfil(value: Result): void;
  /** `running` when the operation goes on all the same: its value could not be made, and more CQEs will come. */
  reject(error: unknown, running?: boolean): void;
  /** Every CQE, before it is interpreted; multishot operations live on it. */
  completion?(result: number, flags: number, final: boolean): void;
}

/** What operations in flight need of their ring. */
export interface Host {
  readonly raw: RawRing;
  readonly cancels: Canceller;
  /** Takes an operation out of the queue of those that wait for room; false when it does not wait. */
  withdraw(flight: InFlight<unknown>): boolean;
  /** The final CQE came, or the operation could not be started. */
  finished(flight: InFlight<unknown>): void;
  /** A promise is about to be settled. */
  settling(): void;
}

/** One described operation: owns its slot and its pins until the final CQE. It is also the listener of its abort signal. */
export class InFlight<Result> {
  readonly #host: Host;
  readonly #operation: Operation<Result>;
  readonly #listener: Listener<Result>;
  readonly #signal: AbortSignal | undefined;
  readonly #handle: OperationHandle | undefined;
  #slot = -1;
  #pins: Lowering | undefined;
  #aborted = false;
  #settled = false;
  #reason: unknown;
  #released: ((told: unknown) => void) | undefined;

  constructor(
    host: Host,
    operation: Operation<Result>,
    listener: Listener<Result>,
    signal: AbortSignal | undefined,
    handle: OperationHandle | undefined,
  ) {
    this.#host = host;
    this.#operation = operation;
    this.#listener = listener;
    this.#signal = signal;
    this.#handle = handle;
    handle?.take();
    signal?.addEventListener("abort", this, { once: true });
  }

  /** Writes the SQE. A description that cannot be encoded rejects, with nothing queued and nothing kept. */
  begin(): void {
    const { raw } = this.#host;
    let slot = -1;
    try {
      slot = raw.allocate((result, flags) => this.#complete(result, flags), this.#operation.declaration.completions);
      this.#pins = this.#operation.encode(raw, slot);
      this.#slot = slot;
      this.#handle?.bind(raw, slot);
      if (this.#aborted) this.#host.cancels.add(slot, this.#repeats); // by a handler that ran while room was made
    } catch (error) {
      if (slot >= 0 && !raw.inFlightAt(slot)) raw.release(slot);
      this.#end();
      this.#reject(error);
    }
  }

  /** The signal was aborted. */
  handleEvent(): void {
    this.cancel(this.#signal?.reason);
  }

  /** Asks the kernel to cancel. An operation in flight still ends with its own CQE, one that waits for room at once. */
  cancel(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    if (this.#slot >= 0) this.#host.cancels.add(this.#slot, this.#repeats);
    else if (this.#host.withdraw(this as InFlight<unknown>)) {
      this.#end();
      this.#reject(reason);
    }
  }

  // What completes again and again may be between two completions, where no cancel finds it.
  get #repeats(): boolean {
    return this.#operation.declaration.completions === "many";
  }

  /** Whether it was cancelled from outside: by its signal, by its ring, or because nobody listens any more. */
  get aborted(): boolean {
    return this.#aborted;
  }

  /** Asks the kernel to stop a multishot operation for now; what it completes until then still counts. */
  interrupt(): void {
    if (this.#slot >= 0 && !this.#aborted) this.#host.cancels.add(this.#slot, this.#repeats);
  }

  /** Whether all that is missing is the notification of a zero-copy send: the peer's pace, which no cancel quickens. */
  get notifying(): boolean {
    return this.#released !== undefined && this.#settled;
  }

  /** The ring is gone: nothing will complete any more. What the operation pins stays pinned with it. */
  abandon(error: unknown): void {
    this.#signal?.removeEventListener("abort", this);
    this.#handle?.free();
    this.#slot = -1;
    this.#released?.(undefined);
    this.#reject(error);
  }

  #complete(result: number, flags: number): void {
    const { raw } = this.#host;
    const final = !raw.inFlightAt(this.#slot);
    const lowering = this.#pins!;
    if (final) {
      const { detached } = lowering;
      this.#pins = undefined;
      raw.release(this.#slot);
      this.#slot = -1;
      this.#end();
      if (detached) {
        const error = new ProtocolError(
          `a buffer of '${this.#operation.name}' was transferred while the kernel used it: memory may be corrupted`,
        );
        raw.fail(error);
        this.#reject(error);
        return;
      }
    }
    this.#listener.completion?.(result, flags, final);
    if ((flags & IORING_CQE_F_NOTIF) === 0) this.#settle(result, flags, final, lowering);
    else if (!this.#settled || this.#operation.declaration.completions !== "notify") {
      const error = new ProtocolError(`a notification came for '${this.#operation.name}' that cannot have one`);
      raw.fail(error);
      this.#reject(error);
    } else {
      const { declaration, options } = this.#operation;
      this.#host.settling();
      this.#released?.(declaration.notified?.(result, options as never));
    }
  }

  #settle(result: number, flags: number, final: boolean, lowering: Lowering): void {
    const { declaration, options, name } = this.#operation;
    const { raw } = this.#host;
    const failed = result < 0 && declaration.accepts?.includes(result) !== true;
    // The kernel uses the buffer of a zero-copy send that got through, even in part: its owner must learn until when.
    const aborted = this.#aborted && !(declaration.completions === "notify" && !failed);
    // What the value would have handed over is nobody's: a descriptor, a buffer.
    if ((aborted && !failed) || (failed && (flags & IORING_CQE_F_BUFFER) !== 0))
      declaration.discard?.(result, flags, options as never, raw, lowering);
    if (aborted) {
      if (final || failed) this.#reject(this.#reason);
      return;
    }
    if (failed) {
      const hint = declaration.hints?.[errnoName(result)];
      this.#reject(new UringError({ operation: name, errno: result, ...(hint === undefined ? {} : { hint }) }));
      return;
    }
    let value: Result;
    try {
      value = declaration.result(result, flags, options as never, lowering) as Result;
    } catch (error) {
      if (error instanceof ProtocolError) raw.fail(error);
      this.#reject(error);
      return;
    }
    if (declaration.completions === "notify" && !final) {
      const released = new Promise<unknown>((resolve) => {
        this.#released = resolve;
      });
      value = { ...value, released };
    }
    this.#settled = true;
    this.#host.settling();
    this.#listener.fulfil(value);
  }

  #end(): void {
    this.#signal?.removeEventListener("abort", this);
    this.#handle?.free();
    this.#host.finished(this as InFlight<unknown>);
  }

  #reject(error: unknown): void {
    this.#settled = true;
    this.#host.settling();
    this.#listener.reject(error, this.#slot >= 0);
  }
}
