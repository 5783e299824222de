import type { Flights, RunningPlan, Waiting } from "../flights.ts";
import type { Bindings } from "./bindings.ts";
import type { Execution, Parent, PlanContext } from "./execution.ts";
import type { Status } from "./outcome.ts";
import type { Plan } from "./plan.ts";
import { Reservation } from "./reservation.ts";
import { Volley, type Volleyed } from "./volley.ts";

/** What a run of a plan is made of. */
export interface RunInit {
  readonly flights: Flights;
  readonly plan: Plan<unknown, unknown>;
  readonly problem: PlanContext["problem"];
  readonly links: boolean;
  readonly bindings?: Bindings;
  /** Called once for each run. */
  readonly over: (run: PlanRun) => void;
}

/** The value of a run that is over; throws what its promise rejects with. */
export function resultOf(run: PlanRun): unknown {
  if (run.aborted !== undefined || run.status !== "fulfilled") throw run.reason;
  return run.value;
}

/**
 * Runs a whole plan: waits until there is room for all of it, keeps that room, and tells when it is over. It may be started again then, and
 * allocates nothing for that.
 */
export class PlanRun implements Parent, Waiting, RunningPlan, Volleyed {
  readonly size: number;
  /** @internal */
  place = -1;
  /** It was aborted, and why. */
  aborted: { readonly reason: unknown } | undefined;
  readonly #flights: Flights;
  readonly #plan: Plan<unknown, unknown>;
  readonly #over: (run: PlanRun) => void;
  readonly #context: PlanContext & { interruptible: boolean };
  readonly #reservation: Reservation;
  #execution: Execution | undefined;
  #volley: Volley | undefined;
  #volleys = true; // it can be carried out by one, as far as is known
  #volleyed = false; // the last run was, or is, and the execution has not heard of it
  #telling = false;
  #signal: AbortSignal | undefined;

  constructor({ flights, plan, problem, links, bindings, over }: RunInit) {
    this.size = plan.width;
    this.#flights = flights;
    this.#plan = plan;
    this.#over = over;
    this.#reservation = new Reservation(flights);
    this.#context = { flights, reservation: this.#reservation, problem, links, bindings, interruptible: false };
  }

  /** Begins, or waits for room in its turn. It may be `interruptible` before it is over, with a signal or otherwise. */
  start(signal?: AbortSignal, interruptible = signal !== undefined): void {
    const rested = this.#release();
    this.#reset();
    this.#context.interruptible = interruptible;
    this.#signal = signal;
    this.#flights.enter(this);
    signal?.addEventListener("abort", this, { once: true });
    this.#flights.start(this);
    if (rested) this.#flights.admit(); // who waited for its room comes first
  }

  /**
   * The same for a prepared plan that nobody waits for with a signal or a promise: all at once, once it has been carried out before. False,
   * with nothing done, when it must be started in the usual way.
   */
  startAgain(): boolean {
    const volley = this.#volley ?? this.#makeVolley();
    if (volley === undefined) return false;
    const entered = volley.holds;
    if (!volley.begin()) return false;
    this.#volleyed = true;
    this.aborted = undefined;
    if (!entered) this.#flights.enter(this);
    this.#flights.driver.kick();
    return true;
  }

  /** There is room. */
  begin(): void {
    this.#reservation.begin(this.size);
    this.#execution ??= this.#plan.execution(this.#context, this);
    this.#execution.start();
  }

  /** The signal was aborted. */
  handleEvent(): void {
    this.cancel(this.#signal?.reason);
  }

  /** Starts nothing more, and cancels what is in flight; before it has begun, it is over. */
  cancel(reason: unknown): void {
    if (this.aborted !== undefined || this.#volley?.over === true) return;
    this.aborted = { reason };
    this.seat();
    if (this.#flights.withdraw(this)) this.#end();
    else this.#execution?.interrupt(reason);
  }

  /** What is in flight goes over from the volley to the operations. */
  seat(): void {
    if (this.#volley?.flies === true) this.#volley.takeApart();
  }

  /** It is over before it was started, and tells why. */
  refuse(reason: unknown): void {
    this.#reset();
    this.aborted = { reason };
    this.#over(this);
  }

  /** The ring is gone, and it had not begun. */
  abandon(error: unknown): void {
    this.aborted ??= { reason: error };
    this.#end();
  }

  /** The plan is over. */
  settled(): void {
    if (this.#telling) this.#reservation.giveUp();
    else {
      this.#reservation.end();
      this.#end();
    }
  }

  /** The volley went through whole: it may be started again before this returns. */
  flown(): void {
    this.#over(this);
    if (!this.#release()) return;
    this.#flights.admit();
    this.#flights.driver.kick();
  }

  /** The volley is taken apart. */
  begunBefore(): void {
    this.#volleyed = false;
    this.#execution!.reset();
    this.begin();
  }

  /** How it ended. */
  get status(): Status | "running" {
    return this.#volleyed ? "fulfilled" : (this.#execution?.status ?? "unstarted");
  }

  /** What it resolves to. */
  get value(): unknown {
    this.#tell();
    return this.#execution?.value;
  }

  /** Why it was not fulfilled. */
  get reason(): unknown {
    return this.aborted !== undefined ? this.aborted.reason : this.#execution?.reason;
  }

  /** The tree of what became of it. */
  outcome(): unknown {
    this.#tell();
    return this.#execution?.begun === true ? this.#execution.outcome() : this.#plan.unstarted(this.aborted?.reason);
  }

  // For a run in the usual way, with what the plan's operations are now.
  #reset(): void {
    this.aborted = undefined;
    this.#volley?.unload();
    this.#volleyed = false;
    this.#execution?.reset();
  }

  // The parts of the plan hear of a run that was a volley only when somebody asks.
  #tell(): void {
    if (!this.#volleyed) return;
    this.#telling = true;
    this.#volley!.tell();
    this.#telling = false;
  }

  #makeVolley(): Volley | undefined {
    if (this.#execution === undefined || !this.#volleys) return undefined;
    const salvos = this.#execution.salvos();
    this.#volleys = salvos !== undefined;
    this.#volley = salvos === undefined ? undefined : new Volley(salvos, this.#flights, this);
    return this.#volley;
  }

  // The volley gives up what it kept in case it was started again.
  #release(): boolean {
    if (this.#volley?.over !== true) return false;
    this.#volley.release();
    this.#flights.leave(this);
    return true;
  }

  #end(): void {
    this.#signal?.removeEventListener("abort", this);
    this.#signal = undefined;
    this.#flights.leave(this);
    this.#over(this);
  }
}
