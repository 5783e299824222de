import { IORING_CQE_F_BUFFER, IORING_CQE_F_NOTIF, IOSQE_IO_DRAIN } from "./abi.ts";
import type { Completions } from "./core.ts";
import { ProtocolError } from "./error.ts";
import type { Host, Listener, Room, Seat } from "./flight-host.ts";
import type { OperationHandle } from "./handle.ts";
import { Lowering } from "./lowering.ts";
import type { Operation } from "./operation.ts";
import type { PlainFlight } from "./plain-flight.ts";
import { corruption, discard, failureOf, isFailure, strayNotification, valueFrom } from "./result.ts";
import { TimeLimit } from "./time-limit.ts";

/**
 * One described operation: owns its slot and its pins until the final CQE. It is also the listener of its abort signal.
 *
 * An object serves one operation after the other. Whatever could still name the operation that has ended (signal, handle, a pending
 * cancel) lets go before, or knows the generation.
 */
export class InFlight implements Seat {
  private readonly host: Host;
  private readonly lowering = new Lowering();
  private collected = this.lowering; // what the operation in flight pins: its own if it keeps that
  private operation: Operation<unknown> | undefined;
  private listener: Listener<unknown> | undefined;
  private limit: TimeLimit | undefined;
  private signal: AbortSignal | undefined;
  private handle: OperationHandle | undefined;
  private slot = -1;
  private cancelled = false;
  private answered = false; // only notifications may still come
  private reason: unknown;
  private released: ((told: unknown) => void) | undefined;
  private fulfilPromise: ((value: unknown) => void) | undefined;
  private rejectPromise: ((error: unknown) => void) | undefined;
  private stopping = false; // part of a plan that ends
  private abandoned = false;
  /** Slots and CQEs that it takes at a time. */
  size = 1;
  /** Its SQE was queued. */
  begun = false;
  /** The kept room that it takes. */
  reservation: Room | undefined;
  /** The kept room that it waits for, besides any other. */
  wanted: Room | undefined;
  /** Somebody else keeps a reference to it: it serves only one operation. */
  readonly lent: boolean;
  /** An executor for `new Promise`: of the promise that it settles when nobody else listens. */
  readonly executor: (fulfil: (value: never) => void, reject: (error: unknown) => void) => void;

  constructor(host: Host, lent = false) {
    this.host = host;
    this.lent = lent;
    this.executor = (fulfil, reject) => {
      this.fulfilPromise = fulfil as (value: unknown) => void;
      this.rejectPromise = reject;
    };
  }

  /** An operation is handed over; the listener hears of it, or else the promise of the executor. */
  take(operation: Operation<unknown>, signal?: AbortSignal, handle?: OperationHandle, listener?: Listener<unknown>): void {
    this.operation = operation;
    this.size = operation.width;
    this.begun = false;
    if (listener !== undefined) this.listener = listener;
    if (handle !== undefined) {
      this.handle = handle;
      handle.take();
    }
    if (signal !== undefined) {
      this.signal = signal;
      signal.addEventListener("abort", this, { once: true });
    }
  }

  /** Takes over from a plain one that has its slot, and may be in flight. */
  takeOver({ operation, slot, collected, fulfil, reject }: PlainFlight): void {
    this.operation = operation;
    this.size = 1;
    this.begun = true;
    this.slot = slot;
    this.collected = collected;
    this.fulfilPromise = fulfil;
    this.rejectPromise = reject;
  }

  /** Writes the SQE. A description that cannot be encoded rejects, with nothing queued and nothing kept. */
  begin(): void {
    const { host } = this;
    const { raw } = host;
    let slot = -1;
    if (this.wanted !== undefined) this.waitsNoMore();
    try {
      slot = host.seat(this);
      const operation = this.operation!;
      if (operation.modifiers.limit !== undefined) this.encodeLimited(operation, operation.modifiers.limit, slot);
      else {
        this.collected = operation.encode(raw, slot, this.lowering);
        this.slot = slot;
      }
      this.begun = true;
      this.handle?.bind(raw, slot);
      if (this.cancelled || this.stopping) host.cancels.add(slot, this.repeats); // by a handler that ran while room was made
    } catch (error) {
      this.unbegun(slot, error);
    }
  }

  /** It could not be begun. */
  unbegun(slot: number, error: unknown): void {
    const { raw } = this.host;
    if (slot >= 0 && !raw.inFlightAt(slot)) raw.release(slot);
    if (this.abandoned) return; // the ring failed meanwhile, and has told it so
    this.slot = -1;
    this.end(slot);
    this.reject(error);
    this.over();
  }

  private encodeLimited(operation: Operation<unknown>, duration: Operation<unknown>, slot: number): void {
    const limit = new TimeLimit(this.host, duration, slot, (held) => {
      for (const { result, flags, final } of held) this.accept(result, flags, final);
    });
    try {
      limit.reserve(operation);
      this.collected = operation.encode(this.host.raw, slot, this.lowering);
    } catch (error) {
      limit.dispose();
      throw error;
    }
    this.slot = slot; // it may complete while the limit is queued
    this.limit = limit;
    limit.queue();
  }

  /** How many CQEs it will have. */
  get completions(): Completions {
    return this.operation!.declaration.completions;
  }

  /** Whether it waits for all that was queued before. */
  get drains(): boolean {
    return (this.operation!.modifiers.flags & IOSQE_IO_DRAIN) !== 0;
  }

  /** The signal was aborted. */
  handleEvent(): void {
    this.cancel(this.signal?.reason);
  }

  /** Asks the kernel to cancel. An operation in flight still ends with its own CQE, one that waits for room at once. */
  cancel(reason: unknown): void {
    if (this.cancelled || this.operation === undefined) return;
    this.cancelled = true;
    this.reason = reason;
    if (this.slot >= 0) this.host.cancels.add(this.slot, this.repeats);
    else if (this.host.withdraw(this)) {
      this.waitsNoMore();
      this.end(-1);
      this.reject(reason);
      this.over();
    }
  }

  /** Of a plan that ends: asks the kernel to cancel, and tells what comes of it as if nobody had asked. */
  stop(reason: unknown): void {
    this.stopping = true;
    if (this.slot >= 0) this.host.cancels.add(this.slot, this.repeats);
    else if (this.wanted !== undefined) this.cancel(reason);
  }

  /** Whether it is part of a plan, whose run answers for it. */
  get planned(): boolean {
    return this.listener !== undefined && !this.lent;
  }

  /** Gives back what a completion provided that nobody gets; false where that is nothing. */
  discard(result: number, flags: number): boolean {
    return discard(this.operation!, result, flags, this.host.raw, this.collected);
  }

  private waitsNoMore(): void {
    this.wanted?.forget(this);
    this.wanted = undefined;
  }

  // Between two completions of such a one no cancel finds it.
  private get repeats(): boolean {
    return this.operation?.declaration.completions === "many";
  }

  /** Whether it was cancelled from outside: by its signal, its ring, or for want of a listener. */
  get aborted(): boolean {
    return this.cancelled;
  }

  /** Asks the kernel to stop a multishot operation for now. */
  interrupt(): void {
    if (this.slot >= 0 && !this.cancelled) this.host.cancels.add(this.slot, this.repeats);
  }

  /** Whether only the notification of a zero-copy send is missing: the peer's pace, which no cancel quickens. */
  get notifying(): boolean {
    return this.released !== undefined;
  }

  /** The ring is gone: nothing will complete any more. What the operation pins stays pinned. */
  abandon(error: unknown): void {
    this.abandoned = true;
    this.letGo();
    this.slot = -1;
    this.released?.(undefined);
    this.reject(error);
    this.listener?.over?.();
  }

  /** Forgets the operation, and keeps nothing of it alive: the next one may come. */
  clear(): void {
    this.operation = undefined;
    this.fulfilPromise = undefined;
    this.rejectPromise = undefined;
    this.lowering.clear();
    this.collected = this.lowering;
    this.listener = undefined;
    this.reason = undefined;
    this.released = undefined;
    this.limit = undefined;
    this.answered = false;
    this.stopping = false;
    if (!this.lent) this.cancelled = false;
  }

  /** A CQE of its slot. */
  complete(result: number, flags: number): void {
    const final = !this.host.raw.inFlightAt(this.slot);
    if (this.limit?.holds(result, flags, final) !== true) this.accept(result, flags, final);
  }

  private accept(result: number, flags: number, final: boolean): void {
    if (!final) {
      this.interpret(result, flags, false);
      return;
    }
    const { slot, host } = this;
    host.raw.release(slot);
    this.slot = -1;
    this.end(slot);
    if (this.collected.detached) this.valueless(corruption(this.operation!.name));
    else this.interpret(result, flags, true);
    this.over();
  }

  private over(): void {
    const { listener } = this;
    this.host.retired(this);
    listener?.over?.();
  }

  // No value could be made of a completion; one that cannot be fails the ring.
  private valueless(error: unknown): void {
    if (error instanceof ProtocolError) this.host.raw.fail(error);
    this.reject(error);
  }

  private interpret(result: number, flags: number, final: boolean): void {
    this.listener?.completion?.(result, flags, final);
    if ((flags & IORING_CQE_F_NOTIF) !== 0) this.notify(result);
    else {
      if (!final) this.answered = true;
      if (result < 0 || this.cancelled) this.settleWithCare(result, flags, final);
      else this.succeed(result, flags, final);
    }
  }

  private notify(result: number): void {
    const { declaration, options, name } = this.operation!;
    if (!this.answered || declaration.completions !== "notify") {
      this.valueless(strayNotification(name));
      return;
    }
    this.host.driver.microtasksDue = true;
    this.released?.(declaration.notified?.(result, options as never));
  }

  // A negative result, or one that nobody wants any more.
  private settleWithCare(result: number, flags: number, final: boolean): void {
    const { declaration } = this.operation!;
    const failed = isFailure(this.operation!, result);
    // The kernel uses the buffer of a zero-copy send that got through, even in part: its owner must learn until when.
    const aborted = this.cancelled && !(declaration.completions === "notify" && !failed);
    // What the value would have handed over is nobody's: a descriptor, a buffer.
    if ((aborted && !failed) || (failed && (flags & IORING_CQE_F_BUFFER) !== 0)) this.discard(result, flags);
    if (aborted) {
      if (final || failed) this.reject(this.reason);
    } else if (failed) {
      this.reject(failureOf(this.operation!, result, this.limit));
    } else this.succeed(result, flags, final);
  }

  private succeed(result: number, flags: number, final: boolean): void {
    let value: unknown;
    try {
      value = valueFrom(this.operation!, result, flags, this.collected);
    } catch (error) {
      this.valueless(error);
      return;
    }
    if (!final && this.completions === "notify") {
      const released = new Promise<unknown>((resolve) => {
        this.released = resolve;
      });
      value = { ...(value as object), released };
    }
    this.host.driver.microtasksDue = true;
    if (this.listener === undefined) this.fulfilPromise!(value);
    else this.listener.fulfil(value);
  }

  private end(slot: number): void {
    this.letGo();
    this.collected.giveBack(); // first: the slot may be the next one's at once
    this.host.finished(slot, this);
  }

  private letGo(): void {
    if (this.signal !== undefined) {
      this.signal.removeEventListener("abort", this);
      this.signal = undefined;
    }
    if (this.handle !== undefined) {
      this.handle.free();
      this.handle = undefined;
    }
  }

  private reject(error: unknown): void {
    this.host.driver.microtasksDue = true;
    if (this.listener === undefined) this.rejectPromise!(error);
    else this.listener.reject(error, this.slot >= 0);
  }
}
