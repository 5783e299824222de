import type { Link } from "./chain.ts";
import { Execution, ended, type Parent, type PlanContext, Tally } from "./execution.ts";
import { linkedFrom } from "./linkable.ts";
import { type Linked, LinkedExecution } from "./linked-execution.ts";
import { Always } from "./plan.ts";
import { Step } from "./step.ts";
import { StepExecution } from "./step-execution.ts";

/** One run of a chain: a step at a time, or several that are handed over together. */
export class ChainExecution extends Execution implements Parent {
  readonly #links: readonly Link[];
  readonly #hard: boolean;
  readonly #steps: (Execution | undefined)[] = [];
  readonly #tally = new Tally();
  #at = 0; // the link whose turn it is
  #together: LinkedExecution | undefined; // those from there on that are in flight
  #alone = false; // the kernel refused to take them together
  #advancing = false;
  #stopped = false;

  constructor(links: readonly Link[], hard: boolean, context: PlanContext, parent: Parent) {
    super(context, parent);
    this.#links = links;
    this.#hard = hard;
  }

  start(): void {
    this.status = "running";
    this.#advance();
  }

  interrupt(reason: unknown): void {
    if (!this.running || this.#stopped) return;
    this.#stopped = true;
    this.#tally.stop(reason);
    if (this.#together !== undefined) this.#together.interrupt(reason);
    else if (!(this.#links[this.#at] instanceof Always)) this.#steps[this.#at]?.interrupt(reason);
  }

  settled(part: Execution): void {
    this.#tally.add(part);
    this.#at++;
    if (!this.#advancing) this.#advance();
  }

  outcome(): unknown {
    const { reason } = this.#tally;
    return { ...ended(this), steps: this.#links.map((link, i) => this.#steps[i]?.outcome() ?? unstarted(link, reason)) };
  }

  // A step may be over at once: a loop, so that a long chain of such does not nest.
  #advance(): void {
    this.#advancing = true;
    for (let at = this.#at; at < this.#links.length; at = this.#at) {
      const link = this.#links[at]!;
      if (!this.#takes(link)) this.#at++;
      else if (!this.#startTogether()) {
        const step = this.#execution(link, this.#steps[at - 1]?.value);
        this.#steps[at] = step;
        step.start();
        if (this.#at === at) break; // it is in flight
      } else if (this.#together !== undefined) break;
    }
    this.#advancing = false;
    if (this.#at === this.#links.length) this.#finish();
  }

  // Hands over several steps in one submit, where kernel links mean the same and there is room.
  #startTogether(): boolean {
    const { links, interruptible, flights } = this.context;
    if (!links || this.#alone || this.#stopped || (this.#hard && interruptible)) return false;
    const operations = linkedFrom(this.#links, this.#at, this.#hard);
    if (operations.length === 0 || !flights.canSubmit(operations.length)) return false;
    this.#together = new LinkedExecution(operations, this.#hard, this.context, (linked) => this.#togetherOver(linked));
    this.#together.start();
    flights.driver.kick();
    return true;
  }

  #togetherOver({ executions, done, refused }: Linked): void {
    this.#together = undefined;
    this.#alone ||= refused;
    for (const [i, execution] of executions.entries()) {
      if (execution === undefined) continue;
      this.#steps[this.#at + i] = execution;
      this.#tally.add(execution);
    }
    this.#at += done;
    if (!this.#advancing) this.#advance();
  }

  #takes(link: Link): boolean {
    return link instanceof Always || this.#tally.good || (this.#hard && !this.#stopped);
  }

  #execution(link: Link, previous: unknown): Execution {
    if (link instanceof Step) return new StepExecution(link, previous, this.context, this);
    return (link instanceof Always ? link.plan : link).execution(this.context, this);
  }

  #finish(): void {
    if (this.#tally.fulfilled === this.#links.length) this.succeed(this.#steps.map((step) => step!.value));
    else this.end(this.#tally.status, this.#tally.reason);
  }
}

function unstarted(link: Link, reason: unknown): unknown {
  return (link instanceof Always ? link.plan : link).unstarted(reason);
}
