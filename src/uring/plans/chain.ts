import type { Operation } from "../operation.ts";
import { ChainExecution } from "./chain-execution.ts";
import { checkList, checkPart } from "./check.ts";
import type { Execution, Parent, PlanContext } from "./execution.ts";
import { type ExplainContext, Explanation } from "./explanation.ts";
import { linkedFrom, whyAlone } from "./linkable.ts";
import { type ChainOutcome, unsuccessful } from "./outcome.ts";
import { Always, type Part, Plan, partOf } from "./plan.ts";
import type { Outcomes, Values } from "./shape.ts";
import { Step } from "./step.ts";

/** A link of a chain, whatever it resolves to. */
export type Link = Plan<unknown, unknown> | Always<unknown, unknown> | Step<never, unknown, unknown>;

/** What may follow in a chain: a plan, one that is done in any case, or a {@link step} that is made of what came before. */
export type Follower<Previous, Value, Outcome> = Part<Value, Outcome> | Always<Value, Outcome> | Step<Previous, Value, Outcome>;

/** A link that depends on no other. */
export type FreeLink = Part<unknown, unknown> | Always<unknown, unknown>;

/** Parts in order; {@link chain} makes it. */
export class Chain<out Value, out Outcome> extends Plan<Value, Outcome> {
  /** @internal */
  readonly links: readonly Link[];
  /** Every step is taken, whatever became of the ones before. */
  readonly hard: boolean;
  readonly width: number;

  /** @internal */
  constructor(links: readonly Link[], hard: boolean) {
    super();
    this.links = Object.freeze([...links]);
    this.hard = hard;
    this.width = Math.max(...links.map((link) => partOf(link).width));
    Object.freeze(this);
  }

  /** @internal */
  visit(look: (operation: Operation<unknown>) => void): void {
    for (const link of this.links) if (!(link instanceof Step)) partOf(link).visit(look);
  }

  /** @internal */
  execution(context: PlanContext, parent: Parent): Execution {
    return new ChainExecution(this.links, this.hard, context, parent);
  }

  /** @internal */
  explain(context: ExplainContext): Explanation {
    const { links, hard } = this;
    const flag = hard ? "IOSQE_IO_HARDLINK" : "IOSQE_IO_LINK";
    const unlinked =
      context.unlinked ?? (hard && context.interruptible ? "behind a hard link what was cancelled would be followed" : undefined);
    const parts: Explanation[] = [];
    for (let at = 0; at < links.length; ) {
      const linked = unlinked === undefined ? linkedFrom(links, at, hard) : [];
      const operations = linked.map((operation) => new Explanation(operation.name, ""));
      if (linked.length > 0) parts.push(new Explanation(`${linked.length} operations`, `one submit of SQEs linked by ${flag}`, operations));
      else parts.push(explainAlone(links[at]!, hard, context));
      at += linked.length || 1;
    }
    const how = unlinked === undefined ? "one part after the other" : `one part after the other, without kernel links: ${unlinked}`;
    return new Explanation(`${hard ? "hard chain" : "chain"} of ${links.length}`, how, parts);
  }

  /** @internal */
  unstarted(reason: unknown): unknown {
    const steps = this.links.map((link) => partOf(link).unstarted(reason));
    return { ...unsuccessful("unstarted", reason), steps };
  }
}

function explainAlone(link: Link, hard: boolean, context: ExplainContext): Explanation {
  const { what, how, parts } = partOf(link).explain(context);
  const always = link instanceof Always ? "done in any case" : undefined;
  return new Explanation(what, [how, always, whyAlone(link, hard)].filter((reason) => reason).join("; "), parts);
}

/** What makes chains: {@link chain}. */
export interface ChainMaker {
  <A, AO>(a: Part<A, AO>): Chain<[A], ChainOutcome<readonly [AO]>>;
  <A, AO, B, BO>(a: Part<A, AO>, b: Follower<A, B, BO>): Chain<[A, B], ChainOutcome<readonly [AO, BO]>>;
  <A, AO, B, BO, C, CO>(
    a: Part<A, AO>,
    b: Follower<A, B, BO>,
    c: Follower<B, C, CO>,
  ): Chain<[A, B, C], ChainOutcome<readonly [AO, BO, CO]>>;
  <A, AO, B, BO, C, CO, D, DO>(
    a: Part<A, AO>,
    b: Follower<A, B, BO>,
    c: Follower<B, C, CO>,
    d: Follower<C, D, DO>,
  ): Chain<[A, B, C, D], ChainOutcome<readonly [AO, BO, CO, DO]>>;
  <A, AO, B, BO, C, CO, D, DO, E, EO>(
    a: Part<A, AO>,
    b: Follower<A, B, BO>,
    c: Follower<B, C, CO>,
    d: Follower<C, D, DO>,
    e: Follower<D, E, EO>,
  ): Chain<[A, B, C, D, E], ChainOutcome<readonly [AO, BO, CO, DO, EO]>>;
  <A, AO, B, BO, C, CO, D, DO, E, EO, F, FO>(
    a: Part<A, AO>,
    b: Follower<A, B, BO>,
    c: Follower<B, C, CO>,
    d: Follower<C, D, DO>,
    e: Follower<D, E, EO>,
    f: Follower<E, F, FO>,
  ): Chain<[A, B, C, D, E, F], ChainOutcome<readonly [AO, BO, CO, DO, EO, FO]>>;
  <A, AO, B, BO, C, CO, D, DO, E, EO, F, FO, G, GO>(
    a: Part<A, AO>,
    b: Follower<A, B, BO>,
    c: Follower<B, C, CO>,
    d: Follower<C, D, DO>,
    e: Follower<D, E, EO>,
    f: Follower<E, F, FO>,
    g: Follower<F, G, GO>,
  ): Chain<[A, B, C, D, E, F, G], ChainOutcome<readonly [AO, BO, CO, DO, EO, FO, GO]>>;
  <A, AO, B, BO, C, CO, D, DO, E, EO, F, FO, G, GO, H, HO>(
    a: Part<A, AO>,
    b: Follower<A, B, BO>,
    c: Follower<B, C, CO>,
    d: Follower<C, D, DO>,
    e: Follower<D, E, EO>,
    f: Follower<E, F, FO>,
    g: Follower<F, G, GO>,
    h: Follower<G, H, HO>,
  ): Chain<[A, B, C, D, E, F, G, H], ChainOutcome<readonly [AO, BO, CO, DO, EO, FO, GO, HO]>>;
  /** Any number of steps, where none is made by a {@link step}. */
  <const Links extends readonly FreeLink[]>(...links: Links): Chain<Values<Links>, ChainOutcome<Outcomes<Links>>>;
  /**
   * A hard chain: every step is taken in its turn, whatever became of those before (`IOSQE_IO_HARDLINK`, 5.5). It fails if one of them
   * did, once all are over. A {@link step} cannot be among them: what it is made of may be missing.
   */
  hard<const Links extends readonly [FreeLink, ...FreeLink[]]>(...links: Links): Chain<Values<Links>, ChainOutcome<Outcomes<Links>>>;
}

function soft(...links: readonly Link[]): Chain<unknown, unknown> {
  checkLinks("chain", links);
  if (links[0] instanceof Step) throw new TypeError("chain: step 1 is a step(...), and there is nothing before it to be made of");
  return new Chain(links, false);
}

function hard(...links: readonly Link[]): Chain<unknown, unknown> {
  checkLinks("chain.hard", links);
  if (links.some((link) => link instanceof Step))
    throw new TypeError("chain.hard: a step(...) cannot be in it: what it is made of may have failed; use chain");
  return new Chain(links, true);
}

function checkLinks(what: string, links: readonly Link[]): void {
  checkList(what, "steps", links);
  for (const [i, link] of links.entries()) {
    if (link instanceof Step) continue;
    checkPart(what, `step ${i + 1}`, partOf(link));
  }
}

/**
 * Parts one after the other (`IOSQE_IO_LINK`, 5.3): each begins when the one before is over. When one fails or is cancelled, those behind
 * it never start, except what is marked with `always()`, and the chain has failed with that error. Resolves to what the steps resolve to,
 * in order.
 *
 * A step fails when its result is negative, and when it is short where `exact()` asks for the whole: the library's rule for all operations,
 * where the kernel's own links know thirteen that do not break a chain. A chain whose turn has come takes its `always()` steps also when
 * it is aborted.
 *
 * @example
 * ```ts
 * import { chain, fsync, renameat, Ring, write } from "uring-ublk";
 * import { openSync, readFileSync } from "node:fs";
 * await using ring = await Ring.open({ entries: 8 });
 * const path = `/tmp/uring-ublk-chain-${process.pid}`;
 * const fd = openSync(`${path}.new`, "w");
 * const text = new TextEncoder().encode("all or nothing");
 * // Renamed only when it is whole and on disk.
 * await ring.run(chain(write({ fd, buffer: text, offset: 0 }).exact(), fsync({ fd }), renameat({ oldPath: `${path}.new`, newPath: path })));
 * console.log(readFileSync(path, "utf8")); // all or nothing
 * ```
 */
export const chain: ChainMaker = Object.assign(soft, { hard }) as ChainMaker;
