import { abreast, Execution, ended, inTurn, outcomeOf, type Parent, type PlanContext, siblingFailed, Tally } from "./execution.ts";
import type { Group } from "./group.ts";
import { whyApart } from "./linkable.ts";
import { LinkedExecution } from "./linked-execution.ts";
import { OperationExecution } from "./operation-execution.ts";
import type { Salvo } from "./volley.ts";

/** Carries out a group: the leader, then the members side by side, then what gives back what the leader provided. */
export class GroupExecution extends Execution implements Parent {
  readonly #group: Group<unknown, unknown>;
  readonly #leader: Execution;
  readonly #tally = new Tally();
  readonly #members: readonly Execution[];
  readonly #release: Execution | undefined;
  readonly #linked: LinkedExecution | undefined; // leader and members, where they may go out in one submit
  #together = false; // that they have
  #left = 0; // members that are not over
  #stopped = false;

  constructor(group: Group<unknown, unknown>, context: PlanContext, parent: Parent) {
    super(context, parent);
    this.#group = group;
    this.#leader = group.leader.execution(context, this);
    const inside = group.cancels ? { ...context, interruptible: true } : context;
    this.#members = group.members.map((member) => member.execution(inside, this));
    this.#release = group.release?.execution(context, this);
    this.#linked = this.#linkedTogether(inside);
    // What is given back must have been got, also when its success crosses with an abort.
    if (group.release !== undefined && this.#leader instanceof OperationExecution) this.#leader.keeps = true;
  }

  get value(): unknown {
    return { leader: this.#leader.value, members: this.#members.map(({ value }) => value) };
  }

  override salvos(): readonly Salvo[] | undefined {
    const parts = this.#linked === undefined ? [this.#leader.salvos(), abreast(this.#members)] : [this.#linked.salvos()];
    return inTurn(this.#release === undefined ? parts : [...parts, this.#release.salvos()]);
  }

  protected begin(): void {
    if (this.#linked?.fits !== true) {
      this.#leader.start();
      return;
    }
    this.#together = true;
    this.#linked.start();
  }

  override reset(): void {
    super.reset();
    this.#leader.reset();
    for (const member of this.#members) member.reset();
    this.#release?.reset();
    this.#tally.reset();
    this.#stopped = false;
  }

  interrupt(reason: unknown): void {
    if (!this.running || this.#stopped) return;
    this.#stop(reason);
    if (this.#stopped) this.#leader.interrupt(reason);
  }

  settled(part: Execution): void {
    if (this.#together) {
      this.#linked!.settled(part);
      return;
    }
    this.#tally.add(part);
    if (part === this.#release) this.#finish();
    else if (part !== this.#leader) this.#memberSettled(part);
    else if (part.status !== "fulfilled") this.#finish();
    else if (this.#stopped) this.#giveBack();
    else this.#startMembers();
  }

  outcome(): unknown {
    const { leader, members, release } = this.#group;
    const { reason } = this.#tally;
    return {
      ...ended(this),
      leader: outcomeOf(this.#leader, leader, reason),
      members: members.map((member, i) => outcomeOf(this.#members[i]!, member, reason)),
      ...(release === undefined ? {} : { release: outcomeOf(this.#release!, release, reason) }),
    };
  }

  #linkedTogether(inside: PlanContext): LinkedExecution | undefined {
    const { leader, members, oneSubmit } = this.#group;
    const hard = !inside.interruptible;
    if (!oneSubmit || !inside.links || whyApart(leader, members, hard) !== undefined) return undefined;
    const steps = [this.#leader, ...this.#members] as OperationExecution[];
    return new LinkedExecution(steps, hard ? "soft, then hard" : "soft", this.context, (linked) => this.#togetherOver(linked));
  }

  // What the kernel did not begin of it, and should have, is still to be done.
  #togetherOver({ whole }: LinkedExecution): void {
    this.#together = false;
    if (whole) {
      this.#tally.addFulfilled(1 + this.#members.length);
      this.#giveBack();
    } else if (this.#leader.begun) this.#settledTogether();
    else if (this.#stopped) this.#finish();
    else this.#leader.start();
  }

  #settledTogether(): void {
    this.#tally.add(this.#leader);
    if (this.#leader.status !== "fulfilled") {
      this.#finish();
      return;
    }
    for (const member of this.#members) if (member.begun) this.#tally.add(member);
    for (const member of this.#members) this.#cancelOthers(member);
    this.#startMembers();
  }

  #startMembers(): void {
    this.#left = this.#members.length;
    for (const member of this.#members) {
      // Over already: linked behind the leader. Stopped: another was over at once, and has failed.
      if (member.begun || this.#stopped) this.#memberOver();
      else this.#startBehindLeader(member);
    }
  }

  #memberSettled(member: Execution): void {
    this.#cancelOthers(member);
    this.#memberOver();
  }

  #cancelOthers({ status, reason }: Execution): void {
    if (status === "failed" && this.#group.cancels && !this.#stopped) this.#stop(siblingFailed(reason));
  }

  #memberOver(): void {
    if (--this.#left === 0) this.#giveBack();
  }

  #stop(reason: unknown): void {
    this.#stopped = true;
    this.#tally.stop(reason);
    // The last to end may begin the next run of a prepared plan, which is none of this.
    for (const member of this.#members) if (this.#stopped && member.begun) member.interrupt(reason);
  }

  #giveBack(): void {
    if (this.#release === undefined) this.#finish();
    else this.#startBehindLeader(this.#release);
  }

  #finish(): void {
    if (this.#tally.fulfilled === this.#needed) this.succeed();
    else this.end(this.#tally.status, this.#tally.reason);
  }

  get #needed(): number {
    return 1 + this.#members.length + (this.#release === undefined ? 0 : 1);
  }

  #startBehindLeader(part: Execution): void {
    part.follow(this.#leader);
    part.start();
  }
}
