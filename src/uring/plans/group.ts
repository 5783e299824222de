import type { Operation } from "../operation.ts";
import { checkBoolean, checkChoice, checkKnown } from "../options.ts";
import { checkList, checkMember, checkPart } from "./check.ts";
import type { Execution, Parent, PlanContext } from "./execution.ts";
import { type ExplainContext, Explanation } from "./explanation.ts";
import { GroupExecution } from "./group-execution.ts";
import { whyApart } from "./linkable.ts";
import { type GroupOutcome, unsuccessful } from "./outcome.ts";
import { type Part, Plan } from "./plan.ts";
import type { Outcomes, Values } from "./shape.ts";
import { Step } from "./step.ts";

/** What may be a member of a group: a plan, or a {@link step} that is made of what the leader resolved to. */
export type Member<Leader> = (Part<unknown, unknown> & { readonly limited?: undefined }) | Step<Leader, unknown, unknown>;

/** What may lead a group. */
export type Leading<Value, Outcome> = Part<Value, Outcome> & { readonly limited?: undefined };

/** Options of {@link group}. */
export interface GroupOptions<Leader> {
  /** What becomes of the other members when one fails: they run on (the default), or are cancelled. */
  onFailure?: "continue" | "cancel";
  /**
   * Gives back what the leader provided: it is run exactly once when the leader was fulfilled, after the last member's CQE, whatever
   * became of the members, and also when the group is aborted. Nothing cancels it. The group is over when it is.
   */
  release?: Part<unknown, unknown> | Step<Leader, unknown, unknown>;
  /**
   * Leader and members may go out in one submit, with kernel links between them, where that means the same: it saves an enter, and the
   * members then run one after the other: none may wait for what a later one does. {@link Ring.explain} says whether it is so. Default false:
   * the members run side by side.
   */
  oneSubmit?: boolean;
}

/** What a group resolves to. */
export interface GroupValue<Leader, Members> {
  /** What the leader resolved to. */
  readonly leader: Leader;
  /** What the members resolved to, in the order they were given. */
  readonly members: Members;
}

/** A leader, and members behind it; {@link group} makes it. */
export class Group<out Value, out Outcome> extends Plan<Value, Outcome> {
  /** @internal */
  readonly leader: Plan<unknown, unknown>;
  /** @internal */
  readonly members: readonly (Plan<unknown, unknown> | Step<never, unknown, unknown>)[];
  /** @internal */
  readonly release: Plan<unknown, unknown> | Step<never, unknown, unknown> | undefined;
  /** The other members are cancelled when one fails. */
  readonly cancels: boolean;
  /** All of it may go out in one submit. */
  readonly oneSubmit: boolean;
  readonly width: number;

  /** @internal */
  constructor(parts: Pick<Group<unknown, unknown>, "leader" | "members" | "release" | "cancels" | "oneSubmit">) {
    super();
    this.leader = parts.leader;
    this.members = Object.freeze([...parts.members]);
    this.release = parts.release;
    this.cancels = parts.cancels;
    this.oneSubmit = parts.oneSubmit;
    const together = this.members.reduce((sum, { width }) => sum + width, 0);
    this.width = Math.max(this.leader.width, together, this.release?.width ?? 0);
    Object.freeze(this);
  }

  /** @internal */
  visit(look: (operation: Operation<unknown>) => void): void {
    for (const part of [this.leader, ...this.members, this.release]) if (part instanceof Plan) part.visit(look);
  }

  /** @internal */
  execution(context: PlanContext, parent: Parent): Execution {
    return new GroupExecution(this, context, parent);
  }

  /** @internal */
  explain(context: ExplainContext): Explanation {
    const inside = this.cancels ? { ...context, interruptible: true } : context;
    const parts = [this.leader.explain(context), ...this.members.map((member) => member.explain(inside))];
    if (this.release !== undefined) parts.push(this.release.explain(context));
    const failing = this.cancels ? ", which cancels the others when one fails" : "";
    const behind = this.release === undefined ? "" : "; its release behind the last";
    return new Explanation(`group of 1 + ${this.members.length}`, `${this.#how(context, failing)}${behind}`, parts);
  }

  #how({ unlinked, interruptible }: ExplainContext, failing: string): string {
    const hard = !interruptible && !this.cancels;
    const apart = unlinked ?? whyApart(this.leader, this.members, hard);
    if (this.oneSubmit && apart === undefined)
      return `one submit: the members behind the leader, linked by IOSQE_IO_LINK, and one after the other, by IOSQE_IO_${hard ? "HARD" : ""}LINK${failing}`;
    const why = !this.oneSubmit ? (apart === undefined ? " (oneSubmit: true would link them)" : "") : `, not in one submit: ${apart}`;
    return `in user space, no kernel has groups${why}: the leader, then one submit of all members${failing}`;
  }

  /** @internal */
  unstarted(reason: unknown): unknown {
    return {
      ...unsuccessful("unstarted", reason),
      leader: this.leader.unstarted(reason),
      members: this.members.map((member) => member.unstarted(reason)),
      ...(this.release === undefined ? {} : { release: this.release.unstarted(reason) }),
    };
  }
}

/**
 * A leader, and members that begin together, in one enter, once it was fulfilled. The group is over when its last member is: one node of
 * whatever contains it, so that dependencies of N on M compose. This is the SQE group that was proposed for the kernel from 2024 on, on any
 * kernel, in user space.
 *
 * When the leader fails, no member starts. When a member fails, the others run on, or are cancelled with `onFailure: "cancel"`, and the
 * group fails with the error that came first. What the leader provided, a registered kernel buffer above all, is given back by `release`.
 *
 * Not inside: operations that drain, and those of {@link within}, whose link timeout would belong to the group ({@link deadline} may be a
 * member). A TypeError says so before anything is submitted.
 *
 * @example
 * ```ts
 * import { group, read, Ring, step, write } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * import { openSync } from "node:fs";
 * await using ring = await Ring.open({ entries: 8 });
 * const source = openSync("/proc/version", "r");
 * const copies = [sys.memfdCreate("one"), sys.memfdCreate("two")] as const;
 * const buffer = new Uint8Array(4096);
 * // Read once, write twice.
 * const copied = group(read({ fd: source, buffer, offset: 0 }), [
 *   step((bytes) => write({ fd: copies[0], buffer: buffer.subarray(0, bytes), offset: 0 }).exact()),
 *   step((bytes) => write({ fd: copies[1], buffer: buffer.subarray(0, bytes), offset: 0 }).exact()),
 * ]);
 * const { leader, members } = await ring.run(copied);
 * console.log(members.every((bytes) => bytes === leader)); // true
 * for (const fd of copies) sys.close(fd);
 * ```
 */
export function group<Leader, LeaderOutcome, const Members extends readonly [Member<Leader>, ...Member<Leader>[]]>(
  leader: Leading<Leader, LeaderOutcome>,
  members: Members,
  options?: GroupOptions<Leader>,
): Group<GroupValue<Leader, Values<Members>>, GroupOutcome<LeaderOutcome, Outcomes<Members>>>;
export function group<Leader, LeaderOutcome, Members extends readonly Member<Leader>[]>(
  leader: Leading<Leader, LeaderOutcome>,
  members: [Members[number]] extends [never] ? never : number extends Members["length"] ? Members : never,
  options?: GroupOptions<Leader>,
): Group<GroupValue<Leader, Values<Members>>, GroupOutcome<LeaderOutcome, Outcomes<Members>>>;
export function group(
  leader: Leading<unknown, unknown>,
  members: readonly Member<never>[],
  options: GroupOptions<never> = {},
): Group<unknown, unknown> {
  checkMember("group", "leader", leader);
  checkList("group", "members", members);
  for (const [i, member] of members.entries()) if (!(member instanceof Step)) checkMember("group", `member ${i + 1}`, member);
  checkKnown("group", options, ["onFailure", "release", "oneSubmit"]);
  const { onFailure = "continue", release, oneSubmit = false } = options;
  checkChoice("group", "onFailure", onFailure, ["continue", "cancel"]);
  if (release !== undefined && !(release instanceof Step)) checkPart("group", "release", release);
  checkBoolean("group", "oneSubmit", oneSubmit);
  return new Group({ leader, members, release, cancels: onFailure === "cancel", oneSubmit });
}
