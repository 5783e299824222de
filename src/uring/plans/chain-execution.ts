import type { Link } from "./chain.ts";
import { Execution, ended, inTurn, outcomeOf, type Parent, type PlanContext, Tally } from "./execution.ts";
import { linkedFrom } from "./linkable.ts";
import { LinkedExecution } from "./linked-execution.ts";
import type { OperationExecution } from "./operation-execution.ts";
import { Always, partOf } from "./plan.ts";
import type { Salvo } from "./volley.ts";

/** Carries out a chain: a step at a time, or several that are handed over together. */
export class ChainExecution extends Execution implements Parent {
  readonly #links: readonly Link[];
  readonly #hard: boolean;
  readonly #steps: readonly Execution[];
  readonly #always: readonly boolean[]; // which are taken in any case
  readonly #tally = new Tally();
  readonly #linked: (LinkedExecution | null)[] = []; // what can be handed over from each link on; null: nothing
  #at = 0; // the link whose turn it is
  #together: LinkedExecution | undefined; // those from there on that are in flight
  #alone = false; // the kernel refused to take them together
  #advancing = false;
  #stopped = false;

  constructor(links: readonly Link[], hard: boolean, context: PlanContext, parent: Parent) {
    super(context, parent);
    this.#links = links;
    this.#hard = hard;
    this.#always = links.map((link) => link instanceof Always);
    this.#steps = links.map((link) => partOf(link).execution(context, this));
  }

  get value(): unknown {
    return this.#steps.map(({ value }) => value);
  }

  override salvos(): readonly Salvo[] | undefined {
    const parts: (readonly Salvo[] | undefined)[] = [];
    for (let at = 0; at < this.#steps.length; ) {
      const linked = this.#mayLink ? this.#linkedFrom(at) : null;
      parts.push(linked === null ? this.#steps[at]!.salvos() : linked.salvos());
      at += linked === null ? 1 : linked.size;
    }
    return inTurn(parts);
  }

  protected begin(): void {
    this.#advance();
  }

  override reset(): void {
    super.reset();
    for (const step of this.#steps) step.reset();
    this.#tally.reset();
    this.#at = 0;
    this.#alone = false;
    this.#stopped = false;
  }

  interrupt(reason: unknown): void {
    if (!this.running || this.#stopped) return;
    this.#stopped = true;
    this.#tally.stop(reason);
    if (this.#together !== undefined) this.#together.interrupt(reason);
    else if (this.#always[this.#at] !== true) this.#steps[this.#at]?.interrupt(reason);
  }

  settled(part: Execution): void {
    if (this.#together !== undefined) {
      this.#together.settled(part);
      return;
    }
    this.#tally.add(part);
    this.#at++;
    if (!this.#advancing) this.#advance();
  }

  outcome(): unknown {
    const { reason } = this.#tally;
    return { ...ended(this), steps: this.#links.map((link, i) => outcomeOf(this.#steps[i]!, partOf(link), reason)) };
  }

  // A step may be over at once: a loop, so that a long chain of such does not nest.
  #advance(): void {
    this.#advancing = true;
    for (let at = this.#at; at < this.#links.length; at = this.#at) {
      if (!this.#takes(at)) this.#at++;
      else if (!this.#startTogether()) {
        const step = this.#steps[at]!;
        if (at > 0) step.follow(this.#steps[at - 1]!);
        step.start();
        if (this.#at === at) break; // it is in flight
      } else if (this.#together !== undefined) break;
    }
    this.#advancing = false;
    if (this.#at === this.#links.length) this.#finish();
  }

  // Hands over several steps in one submit, where kernel links mean the same and there is room.
  #startTogether(): boolean {
    if (!this.#mayLink || this.#alone || this.#stopped) return false;
    const linked = this.#linkedFrom(this.#at);
    if (linked?.fits !== true) return false;
    this.#together = linked;
    linked.start();
    return true;
  }

  get #mayLink(): boolean {
    const { links, interruptible } = this.context;
    return links && !(this.#hard && interruptible);
  }

  #linkedFrom(at: number): LinkedExecution | null {
    const known = this.#linked[at];
    if (known !== undefined) return known;
    const count = linkedFrom(this.#links, at, this.#hard).length;
    const steps = this.#steps.slice(at, at + count) as OperationExecution[];
    const linked = count === 0 ? null : new LinkedExecution(steps, this.#hard ? "hard" : "soft", this.context, this.#togetherOver);
    this.#linked[at] = linked;
    return linked;
  }

  readonly #togetherOver = ({ steps, done, refused, whole }: LinkedExecution): void => {
    this.#together = undefined;
    if (whole) this.#tally.addFulfilled(done);
    else {
      this.#alone ||= refused;
      for (const step of steps) if (step.begun) this.#tally.add(step);
    }
    this.#at += done;
    if (!this.#advancing) this.#advance();
  };

  #takes(at: number): boolean {
    return this.#always[at]! || this.#tally.good || (this.#hard && !this.#stopped);
  }

  #finish(): void {
    if (this.#tally.fulfilled === this.#links.length) this.succeed();
    else this.end(this.#tally.status, this.#tally.reason);
  }
}
