import { IORING_CQE_F_BUFFER, IORING_CQE_F_NOTIF } from "../abi.ts";
import { ProtocolError, UringError } from "../error.ts";
import type { Listener, Seat } from "../flight-host.ts";
import type { InFlight } from "../in-flight.ts";
import { Lowering } from "../lowering.ts";
import { count, type Operation } from "../operation.ts";
import { corruption, discard, failureOf, isFailure, strayNotification, valueFrom } from "../result.ts";
import { Execution, type Parent, type PlanContext } from "./execution.ts";
import { type Status, unsuccessful } from "./outcome.ts";
import type { Salvo } from "./volley.ts";

const interrupted = (error: unknown): boolean => error instanceof UringError && (error.code === "ECANCELED" || error.code === "EINTR");

/**
 * Carries out an operation as a part of a plan; over with its final CQE, which for a zero-copy send is its notification.
 *
 * What is plain (it completes once and has no time limit) has the slot itself, unless it must wait for room; anything else is carried out
 * for it, as if it stood alone.
 */
export class OperationExecution extends Execution implements Listener<unknown>, Seat {
  /** What it provided is given back by somebody else: a success that crosses with an interruption is one all the same. */
  keeps = false;
  /** As a seat: what completes more than once is carried out for it. */
  readonly completions = "one";
  readonly drains = false; // no part of a plan does
  readonly planned = true;
  readonly notifying = false;
  readonly #planned: Operation<unknown>;
  #operation: Operation<unknown>; // what is bound in its place
  #revision = 0;
  #plain = false;
  #least = 0; // the result of a plain one that is no failure
  readonly #own = new Lowering();
  #lowering = this.#own; // what a plain one pins
  #slot = -1; // of a plain one in flight
  #kept = false; // in kept room
  #adopted: number | undefined; // where it is in flight, or was (-1), before it is begun
  #flight: InFlight | undefined; // what carries it out for it
  #value: unknown;
  #stopped = false;
  #stop: unknown; // why
  #result = 0;
  #flags = 0;
  #ended: Status = "unstarted";

  constructor(operation: Operation<unknown>, context: PlanContext, parent: Parent) {
    super(context, parent);
    this.#planned = operation;
    this.#operation = operation;
    this.#bind(operation);
  }

  get value(): unknown {
    return this.#value;
  }

  /** What is, or was, carried out. */
  get operation(): Operation<unknown> {
    return this.#operation;
  }

  /** What stands in its place now. */
  bound(): Operation<unknown> {
    this.#rebind();
    return this.#operation;
  }

  override salvos(): readonly Salvo[] | undefined {
    const { steady, result } = this.#operation.declaration;
    return this.#plain && steady === true && result === count ? [{ steps: [this] }] : undefined;
  }

  /** When it begins, it is in flight already, in a slot, or completes with none (-1). It may be reset before. */
  adopt(slot: number): void {
    this.#adopted = slot;
  }

  /** That is so. */
  get adopted(): boolean {
    return this.#adopted !== undefined;
  }

  protected begin(): void {
    const { flights, reservation } = this.context;
    this.#rebind();
    if (this.adopted) {
      this.#fly(reservation.take());
      return;
    }
    if (this.#plain && flights.refuses(this)) return;
    if (this.#plain && reservation.take()) {
      this.#fly(true);
      flights.driver.kick();
    } else reservation.start(this.#take());
  }

  /** The same at once, for what is plain: in room that nobody kept, unless it is in flight already. */
  startNow(): void {
    this.#rebind();
    this.turn();
    this.#fly(this.adopted && this.context.reservation.take());
  }

  override reset(): void {
    super.reset();
    this.#value = undefined;
    this.#stopped = false;
    this.#stop = undefined;
    this.#ended = "unstarted";
  }

  interrupt(reason: unknown): void {
    if (!this.running || this.#stopped) return;
    this.#stopped = true;
    this.#stop = reason;
    if (this.#slot >= 0) this.context.flights.cancels.add(this.#slot);
    else this.#flight?.stop(reason);
  }

  outcome(): unknown {
    const { status, value, reason } = this;
    if (status === "fulfilled") return { status, value };
    return status === "running" ? { status } : unsuccessful(status, reason);
  }

  /** The CQE of a plain one. @internal */
  complete(result: number, flags: number): void {
    this.#land();
    if (result < this.#least || this.#stopped || (flags & IORING_CQE_F_NOTIF) !== 0 || this.#lowering.detached) {
      this.#completeWithCare(result, flags);
      return;
    }
    const { declaration, options } = this.#operation;
    if (declaration.result === count) this.#value = result;
    else {
      try {
        this.#value = declaration.result(result, flags, options as never, this.#lowering);
      } catch (error) {
        this.#valueless(error);
        return;
      }
    }
    this.#ended = "fulfilled";
    this.succeed();
  }

  /** @internal */
  abandon(error: unknown): void {
    const begun = this.#slot >= 0;
    this.#slot = -1;
    this.#fail(error, begun);
    this.over();
  }

  /** @internal */
  completion(result: number, flags: number): void {
    this.#result = result;
    this.#flags = flags;
  }

  /** @internal */
  fulfil(value: unknown): void {
    if (this.#stopped && !this.keeps && this.#discard()) {
      this.#ended = "cancelled";
      this.reason = this.#stop;
    } else {
      this.#ended = "fulfilled";
      this.#value = value;
    }
  }

  /** @internal */
  reject(error: unknown): void {
    this.#fail(error, this.#flight!.begun);
  }

  /** @internal */
  over(): void {
    this.#flight = undefined;
    if (this.#ended === "fulfilled") this.succeed();
    else this.end(this.#ended, this.reason);
  }

  #rebind(): void {
    const { bindings } = this.context;
    if (bindings === undefined || bindings.revision === this.#revision) return;
    this.#revision = bindings.revision;
    this.#bind(bindings.of(this.#planned));
  }

  #bind(operation: Operation<unknown>): void {
    const { declaration, modifiers } = operation;
    this.#operation = operation;
    this.#plain = declaration.completions === "one" && modifiers.limit === undefined;
    this.#least = modifiers.length ?? 0;
  }

  #take(): InFlight {
    const flight = this.context.flights.flight();
    flight.take(this.#operation, undefined, undefined, this);
    this.#flight = flight;
    return flight;
  }

  // Queues the SQE of a plain one.
  #fly(kept: boolean): void {
    const { flights } = this.context;
    let slot = -1;
    this.#kept = kept;
    this.#own.clear();
    if (this.#adopted !== undefined) {
      this.#takeSeat(this.#adopted);
      return;
    }
    try {
      slot = flights.seat(this);
      this.#lowering = this.#operation.encode(flights.raw, slot, this.#own);
      this.#slot = slot;
    } catch (error) {
      this.#unencodable(slot, error);
      return;
    }
    if (this.#stopped) flights.cancels.add(slot); // by a handler that ran while room was made
  }

  #takeSeat(slot: number): void {
    this.#adopted = undefined;
    this.#slot = slot;
    this.#lowering = (slot < 0 ? undefined : this.#operation.lowered?.kept) ?? this.#own;
    if (slot >= 0) this.context.flights.adopt(slot, this);
  }

  // The final CQE of a plain one has come.
  #land(): void {
    const { flights } = this.context;
    const slot = this.#slot;
    this.#slot = -1;
    if (slot >= 0) flights.raw.release(slot);
    if (this.#lowering.borrows) this.#lowering.giveBack();
    this.#leave(slot);
  }

  #leave(slot: number): void {
    const room = this.#kept ? this.context.reservation : undefined;
    // What completed before it was told of has no slot to be free for others.
    if (slot >= 0) this.context.flights.vacate(slot, room);
    else room?.free(1);
  }

  #unencodable(slot: number, error: unknown): void {
    const { raw } = this.context.flights;
    if (slot >= 0 && !raw.inFlightAt(slot)) raw.release(slot);
    this.#own.giveBack();
    if (!this.running) return; // the ring failed meanwhile, and has told it so
    this.#leave(slot);
    this.#fail(error, false);
    this.over();
  }

  // A failure, or what nobody may want any more.
  #completeWithCare(result: number, flags: number): void {
    const operation = this.#operation;
    const lowering = this.#lowering;
    this.completion(result, flags);
    try {
      if (lowering.detached) throw corruption(operation.name);
      if ((flags & IORING_CQE_F_NOTIF) !== 0) throw strayNotification(operation.name);
      if (isFailure(operation, result)) {
        if ((flags & IORING_CQE_F_BUFFER) !== 0) this.#discard();
        throw failureOf(operation, result);
      }
      this.fulfil(valueFrom(operation, result, flags, lowering));
    } catch (error) {
      this.#valueless(error);
      return;
    }
    this.over();
  }

  // No value could be made of a completion; one that cannot be fails the ring.
  #valueless(error: unknown): void {
    if (error instanceof ProtocolError) this.context.flights.raw.fail(error);
    this.#fail(error, true);
    this.over();
  }

  #discard(): boolean {
    if (this.#flight !== undefined) return this.#flight.discard(this.#result, this.#flags);
    return discard(this.#operation, this.#result, this.#flags, this.context.flights.raw, this.#lowering);
  }

  #fail(error: unknown, begun: boolean): void {
    this.#ended = !this.#stopped ? "failed" : !begun ? "unstarted" : interrupted(error) ? "cancelled" : "failed";
    this.reason = this.#ended === "failed" ? error : this.#stop;
  }
}
