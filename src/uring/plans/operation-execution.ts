import { UringError } from "../error.ts";
import type { PartListener } from "../flight-host.ts";
import type { InFlight } from "../in-flight.ts";
import type { Operation } from "../operation.ts";
import { Execution, type Parent, type PlanContext } from "./execution.ts";
import { type Status, unsuccessful } from "./outcome.ts";

const interrupted = (error: unknown): boolean => error instanceof UringError && (error.code === "ECANCELED" || error.code === "EINTR");

/** Carries out an operation as a part of a plan; over with its final CQE, which for a zero-copy send is its notification. */
export class OperationExecution extends Execution implements PartListener<unknown> {
  /** What it provided is given back by somebody else: a success that crosses with an interruption is one all the same. */
  keeps = false;
  readonly #planned: Operation<unknown>;
  #operation: Operation<unknown>; // what is bound in its place
  #revision = 0;
  #value: unknown;
  #flight: InFlight | undefined;
  #stopped = false;
  #stop: unknown; // why
  #result = 0;
  #flags = 0;
  #ended: Status = "unstarted";

  constructor(operation: Operation<unknown>, context: PlanContext, parent: Parent) {
    super(context, parent);
    this.#planned = operation;
    this.#operation = operation;
  }

  get value(): unknown {
    return this.#value;
  }

  /** What is, or was, carried out. */
  get operation(): Operation<unknown> {
    return this.#operation;
  }

  protected begin(): void {
    this.context.reservation.start(this.#take());
  }

  /** The same at once, in room that nobody kept. */
  startNow(): void {
    this.turn();
    this.#take().begin();
  }

  override reset(): void {
    super.reset();
    this.#value = undefined;
    this.#stopped = false;
    this.#stop = undefined;
    this.#result = 0;
    this.#flags = 0;
    this.#ended = "unstarted";
  }

  #take(): InFlight {
    const { bindings, flights } = this.context;
    if (bindings !== undefined && bindings.revision !== this.#revision) {
      this.#revision = bindings.revision;
      this.#operation = bindings.of(this.#planned);
    }
    const flight = flights.flight();
    const { declaration, modifiers } = this.#operation;
    if (declaration.completions === "one" && modifiers.limit === undefined) flight.takePlain(this.#operation, this);
    else flight.take(this.#operation, undefined, undefined, this);
    this.#flight = flight;
    return flight;
  }

  interrupt(reason: unknown): void {
    if (!this.running || this.#stopped) return;
    this.#stopped = true;
    this.#stop = reason;
    this.#flight?.stop(reason);
  }

  outcome(): unknown {
    const { status, value, reason } = this;
    if (status === "fulfilled") return { status, value };
    return status === "running" ? { status } : unsuccessful(status, reason);
  }

  /** @internal */
  completion(result: number, flags: number): void {
    this.#result = result;
    this.#flags = flags;
  }

  /** @internal */
  succeeded(value: unknown): void {
    this.#flight = undefined;
    this.#ended = "fulfilled";
    this.#value = value;
    this.succeed();
  }

  /** @internal */
  fulfil(value: unknown): void {
    if (this.#stopped && !this.keeps && this.#flight!.discard(this.#result, this.#flags)) {
      this.#ended = "cancelled";
      this.reason = this.#stop;
    } else {
      this.#ended = "fulfilled";
      this.#value = value;
    }
  }

  /** @internal */
  reject(error: unknown): void {
    this.#ended = this.#howEnded(error);
    this.reason = this.#ended === "failed" ? error : this.#stop;
  }

  /** @internal */
  over(): void {
    this.#flight = undefined;
    if (this.#ended === "fulfilled") this.succeed();
    else this.end(this.#ended, this.reason);
  }

  #howEnded(error: unknown): Exclude<Status, "fulfilled"> {
    if (!this.#stopped) return "failed";
    if (!this.#flight!.begun) return "unstarted";
    return interrupted(error) ? "cancelled" : "failed";
  }
}
