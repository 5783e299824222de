import { UringError } from "../error.ts";
import type { Flights } from "../flights.ts";
import type { Operation } from "../operation.ts";
import type { Bindings } from "./bindings.ts";
import type { OperationExecution } from "./operation-execution.ts";
import { type Status, unsuccessful } from "./outcome.ts";
import type { Reservation } from "./reservation.ts";
import type { Salvo } from "./volley.ts";

const ECANCELED = -125;

/** Whoever waits for the end of a part of a plan. */
export interface Parent {
  /** The part is over: nothing of it is in flight. */
  settled(part: Execution): void;
}

/** What the parts of one run of a plan share. */
export interface PlanContext {
  readonly flights: Flights;
  /** The room in the ring that is kept for the plan. */
  readonly reservation: Reservation;
  /** Whether kernel links may be used. */
  readonly links: boolean;
  /** Whether the part may be interrupted before it is over, other than by the ring's end. */
  readonly interruptible: boolean;
  /** What stands in the place of operations of a prepared plan. */
  readonly bindings: Bindings | undefined;
  /** Why a part cannot be run on this ring, or undefined. */
  problem(part: { readonly width: number; visit(look: (operation: Operation<unknown>) => void): void }): unknown;
}

/** Carries out a part of a plan: in each run begun once at most, and over once. What is begun again is reset before. */
export abstract class Execution {
  /** How it ended; "running" from when its turn has come. */
  status: Status | "running" = "unstarted";
  /** Why it was not fulfilled. */
  reason: unknown;
  /** Its turn has come. */
  begun = false;
  protected readonly context: PlanContext;
  readonly #parent: Parent;

  constructor(context: PlanContext, parent: Parent) {
    this.context = context;
    this.#parent = parent;
  }

  /** What it resolves to, once fulfilled; made when it is asked for. */
  abstract get value(): unknown;

  /** Its turn has come. It may be over before this returns. */
  start(): void {
    this.turn();
    this.begin();
  }

  protected turn(): void {
    this.begun = true;
    this.status = "running";
  }

  protected abstract begin(): void;

  /**
   * What it queues, and when, as long as all goes well; undefined where that is not known before it runs, is not always the same, or does not
   * go out together.
   */
  salvos(): readonly Salvo[] | undefined {
    return undefined;
  }

  /** It begins behind another part, which is over: what a step is made of. */
  follow(_previous: Execution): void {}

  /** As if it had never begun: for another run. */
  reset(): void {
    this.begun = false;
    this.status = "unstarted";
    this.reason = undefined;
  }

  /**
   * Starts nothing more and cancels what is in flight; the part is over when the last CQE has come. What a part must do in any case it
   * still does. The first reason counts.
   */
  abstract interrupt(reason: unknown): void;

  /** The tree of what became of it. */
  abstract outcome(): unknown;

  protected get running(): boolean {
    return this.status === "running";
  }

  protected succeed(): void {
    this.status = "fulfilled";
    this.#parent.settled(this);
  }

  protected end(status: Exclude<Status, "fulfilled">, reason: unknown): void {
    this.status = status;
    this.reason = reason;
    this.#parent.settled(this);
  }
}

/** What the parts of a composite have come to so far: the first thing that went wrong, and whether anything was begun. */
export class Tally {
  /** How many parts were fulfilled. */
  fulfilled = 0;
  private bad = false;
  private begun = false;
  private failed = false;
  private first: unknown;

  /** For another run. */
  reset(): void {
    this.fulfilled = 0;
    this.bad = false;
    this.begun = false;
    this.failed = false;
    this.first = undefined;
  }

  /** Something is the reason that no more is started, whatever the parts tell. */
  stop(reason: unknown): void {
    if (this.bad) return;
    this.bad = true;
    this.first = reason;
  }

  /** A part is over. */
  add(part: Execution): void {
    if (part.status !== "unstarted") this.begun = true;
    if (part.status === "fulfilled") {
      this.fulfilled++;
      return;
    }
    if (part.status === "failed" && !this.bad) this.failed = true;
    this.stop(part.reason);
  }

  /** So many parts are over, and all fulfilled. */
  addFulfilled(count: number): void {
    this.begun = true;
    this.fulfilled += count;
  }

  /** Nothing has gone wrong or stopped it so far. */
  get good(): boolean {
    return !this.bad;
  }

  /** Why not. */
  get reason(): unknown {
    return this.first;
  }

  /** How the whole ends that was not fulfilled. */
  get status(): Exclude<Status, "fulfilled"> {
    return this.failed ? "failed" : this.begun ? "cancelled" : "unstarted";
  }
}

/** What parts queue that begin side by side, where that can go out together. */
export function abreast(parts: readonly Execution[]): readonly Salvo[] | undefined {
  const steps: OperationExecution[] = [];
  for (const part of parts) {
    const [salvo, ...more] = part.salvos() ?? [];
    if (salvo === undefined || salvo.links !== undefined || more.length > 0) return undefined;
    steps.push(...salvo.steps);
  }
  return [{ steps }];
}

/** What parts queue one behind the other. */
export function inTurn(parts: readonly (readonly Salvo[] | undefined)[]): readonly Salvo[] | undefined {
  return parts.includes(undefined) ? undefined : (parts as readonly (readonly Salvo[])[]).flat();
}

/** The outcome of a composite, without its parts. */
export function ended({ status, reason }: Execution): { readonly status: string } {
  return status === "fulfilled" || status === "running" ? { status } : unsuccessful(status, reason);
}

/** The outcome of a part; of one whose turn never came, why. */
export const outcomeOf = (part: Execution, plan: { unstarted(reason: unknown): unknown }, reason: unknown): unknown =>
  part.begun ? part.outcome() : plan.unstarted(reason);

/** Cancelled because another member of the same group failed. */
export const siblingFailed = (cause: unknown): UringError =>
  new UringError({ operation: "group", errno: ECANCELED, cause, hint: "another member of its group failed" });
