import { IORING_OP_NOP128, IORING_OP_URING_CMD128 } from "../abi.ts";
import { Operation } from "../operation.ts";
import type { Link as ChainLink } from "./chain.ts";
import type { Plan } from "./plan.ts";
import type { Step } from "./step.ts";

type Link = ChainLink | Plan<unknown, unknown> | Step<never, unknown, unknown>;

/** The most that is handed over in one submit: a chain takes no more of the ring at a time. */
const LONGEST = 16;

/** One SQE, one CQE, and nothing of the kernel's own behind it. */
function simple(link: Link): link is Operation<unknown> {
  if (!(link instanceof Operation)) return false;
  const { declaration, modifiers } = link as Operation<unknown>;
  const { completions, opcode } = declaration;
  return completions === "one" && modifiers.limit === undefined && opcode !== IORING_OP_NOP128 && opcode !== IORING_OP_URING_CMD128;
}

/** Whether the kernel ends a soft chain behind the operation whenever the rules do; where it does so more often, that is told apart. */
function severs({ declaration, modifiers }: Operation<unknown>): boolean {
  return modifiers.length === undefined ? declaration.severs !== undefined : declaration.severs === "short";
}

/** Why nothing can be linked behind a link of a chain; undefined where something can. */
export function whyAlone(link: Link, hard: boolean): string | undefined {
  if (!(link instanceof Operation)) return undefined; // it says so itself
  const operation: Operation<unknown> = link;
  if (operation.modifiers.limit !== undefined) return "its time limit is linked behind it";
  if (!simple(operation)) return "it has more than one SQE or CQE";
  if (hard || severs(operation)) return undefined;
  if (operation.modifiers.length !== undefined && operation.declaration.severs !== undefined) return "being short severs no link behind it";
  return "a link behind it would not be severed whenever it fails, or severed when it did not";
}

/**
 * Why leader and members of a group cannot go out in one submit, the members one after the other, with the same meaning; undefined where
 * they can. Behind a soft link nothing more begins after an abort; behind a hard one all do, whatever became of the others.
 */
export function whyApart(leader: Link, members: readonly Link[], hard: boolean): string | undefined {
  if (members.length >= LONGEST) return `it has more than ${LONGEST - 1} members`;
  if (!simple(leader)) return "the leader is more than one operation that completes once";
  if (!severs(leader)) return "a link behind the leader would not be severed whenever it fails";
  if (!members.every(simple)) return "a member is more than one operation that completes once";
  if (hard || members.slice(0, -1).every((member) => severs(member as Operation<unknown>))) return undefined;
  return "it may be aborted, and a link behind a member would not be severed then";
}

/**
 * The operations from `at` on that kernel links may carry out together, with the same meaning: `IOSQE_IO_LINK` (5.3) only behind what
 * severs it when it fails, `IOSQE_IO_HARDLINK` (5.5) behind anything. Fewer than two are none.
 */
export function linkedFrom(links: readonly Link[], at: number, hard: boolean): readonly Operation<unknown>[] {
  const linked: Operation<unknown>[] = [];
  for (const link of links.slice(at, at + LONGEST)) {
    if (!simple(link)) break;
    linked.push(link);
    if (!hard && !severs(link)) break; // it may be the last
  }
  return linked.length < 2 ? [] : linked;
}
