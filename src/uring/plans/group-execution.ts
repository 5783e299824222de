import { Execution, ended, type Parent, type PlanContext, siblingFailed, Tally } from "./execution.ts";
import type { Group } from "./group.ts";
import { OperationExecution } from "./operation-execution.ts";
import type { Plan } from "./plan.ts";
import { Step } from "./step.ts";
import { StepExecution } from "./step-execution.ts";

/** One run of a group: the leader, then the members side by side, then what gives back what the leader provided. */
export class GroupExecution extends Execution implements Parent {
  readonly #group: Group<unknown, unknown>;
  readonly #leader: Execution;
  readonly #tally = new Tally();
  readonly #members: (Execution | undefined)[] = [];
  #release: Execution | undefined;
  #left = 0; // members that are not over
  #stopped = false;

  constructor(group: Group<unknown, unknown>, context: PlanContext, parent: Parent) {
    super(context, parent);
    this.#group = group;
    this.#leader = group.leader.execution(context, this);
    // What is given back must have been got, also when its success crosses with an abort.
    if (group.release !== undefined && this.#leader instanceof OperationExecution) this.#leader.keeps = true;
  }

  start(): void {
    this.status = "running";
    this.#leader.start();
  }

  interrupt(reason: unknown): void {
    if (!this.running || this.#stopped) return;
    this.#stop(reason);
    this.#leader.interrupt(reason);
  }

  settled(part: Execution): void {
    this.#tally.add(part);
    if (part === this.#release) this.#finish();
    else if (part !== this.#leader) this.#memberSettled(part);
    else if (part.status !== "fulfilled") this.#finish();
    else if (this.#stopped) this.#giveBack();
    else this.#startMembers();
  }

  outcome(): unknown {
    const { members, release } = this.#group;
    const { reason } = this.#tally;
    return {
      ...ended(this),
      leader: this.#leader.outcome(),
      members: members.map((member, i) => this.#members[i]?.outcome() ?? member.unstarted(reason)),
      ...(release === undefined ? {} : { release: this.#release?.outcome() ?? release.unstarted(reason) }),
    };
  }

  #startMembers(): void {
    const { members } = this.#group;
    this.#left = members.length;
    for (const member of members) {
      if (this.#stopped) {
        this.#memberOver(); // another was over at once, and has failed
        continue;
      }
      const execution = this.#execution(member, this.#group.cancels);
      this.#members.push(execution);
      execution.start();
    }
  }

  #memberSettled({ status, reason }: Execution): void {
    if (status === "failed" && this.#group.cancels && !this.#stopped) this.#stop(siblingFailed("group", reason));
    this.#memberOver();
  }

  #memberOver(): void {
    if (--this.#left === 0) this.#giveBack();
  }

  #stop(reason: unknown): void {
    this.#stopped = true;
    this.#tally.stop(reason);
    for (const member of this.#members) member?.interrupt(reason);
  }

  #giveBack(): void {
    const { release } = this.#group;
    if (release === undefined) this.#finish();
    else {
      this.#release = this.#execution(release);
      this.#release.start();
    }
  }

  #finish(): void {
    if (this.#tally.fulfilled === this.#needed) {
      this.succeed({ leader: this.#leader.value, members: this.#members.map((member) => member?.value) });
    } else this.end(this.#tally.status, this.#tally.reason);
  }

  get #needed(): number {
    return 1 + this.#group.members.length + (this.#group.release === undefined ? 0 : 1);
  }

  #execution(part: Plan<unknown, unknown> | Step<never, unknown, unknown>, interruptible = false): Execution {
    const context = interruptible ? { ...this.context, interruptible } : this.context;
    if (part instanceof Step) return new StepExecution(part, this.#leader.value, context, this);
    return part.execution(context, this);
  }
}
