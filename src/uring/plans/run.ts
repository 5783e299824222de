import type { Flights, RunningPlan, Waiting } from "../flights.ts";
import type { Execution, Parent, PlanContext } from "./execution.ts";
import type { Plan } from "./plan.ts";
import { Reservation } from "./reservation.ts";

/** One run of a whole plan: waits until there is room for all of it, keeps that room, and tells when it is over. */
export class PlanRun implements Parent, Waiting, RunningPlan {
  readonly size: number;
  /** It was aborted, and why. */
  aborted: { readonly reason: unknown } | undefined;
  readonly #flights: Flights;
  readonly #plan: Plan<unknown, unknown>;
  readonly #problem: PlanContext["problem"];
  readonly #signal: AbortSignal | undefined;
  readonly #links: boolean;
  readonly #over: (run: PlanRun) => void;
  #reservation: Reservation | undefined;
  #execution: Execution | undefined;

  /** `over` is called once. */
  constructor(
    flights: Flights,
    plan: Plan<unknown, unknown>,
    problem: PlanContext["problem"],
    { signal, links }: { readonly signal: AbortSignal | undefined; readonly links: boolean },
    over: (run: PlanRun) => void,
  ) {
    this.#flights = flights;
    this.#plan = plan;
    this.#problem = problem;
    this.#signal = signal;
    this.#links = links;
    this.#over = over;
    this.size = plan.width;
  }

  /** Begins, or waits for room in its turn. */
  start(): void {
    this.#flights.plans.add(this);
    this.#signal?.addEventListener("abort", this, { once: true });
    this.#flights.start(this);
  }

  /** There is room. */
  begin(): void {
    const flights = this.#flights;
    const reservation = new Reservation(flights, this.size);
    this.#reservation = reservation;
    const context = { flights, reservation, problem: this.#problem, links: this.#links, interruptible: this.#signal !== undefined };
    this.#execution = this.#plan.execution(context, this);
    this.#execution.start();
  }

  /** The signal was aborted. */
  handleEvent(): void {
    this.cancel(this.#signal?.reason);
  }

  /** Starts nothing more, and cancels what is in flight; before it has begun, it is over. */
  cancel(reason: unknown): void {
    if (this.aborted !== undefined) return;
    this.aborted = { reason };
    if (this.#flights.withdraw(this)) this.#end();
    else this.#execution?.interrupt(reason);
  }

  /** The ring is gone, and it had not begun. */
  abandon(error: unknown): void {
    this.aborted ??= { reason: error };
    this.#end();
  }

  /** The plan is over. */
  settled(): void {
    this.#reservation?.end();
    this.#end();
  }

  /** Whether it was fulfilled. */
  get fulfilled(): boolean {
    return this.#execution?.status === "fulfilled";
  }

  /** What it resolves to. */
  get value(): unknown {
    return this.#execution?.value;
  }

  /** Why it was not fulfilled. */
  get reason(): unknown {
    return this.#execution === undefined ? this.aborted?.reason : this.#execution.reason;
  }

  /** The tree of what became of it. */
  outcome(): unknown {
    return this.#execution?.outcome() ?? this.#plan.unstarted(this.aborted?.reason);
  }

  #end(): void {
    this.#signal?.removeEventListener("abort", this);
    this.#flights.plans.delete(this);
    this.#over(this);
  }
}
