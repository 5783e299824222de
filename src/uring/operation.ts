import { IOSQE_ASYNC, IOSQE_IO_DRAIN } from "./abi.ts";
import type { Completions, RingCore } from "./core.ts";
import type { FeatureName } from "./features.ts";
import { Lowering, type Modifiers } from "./lowering.ts";
import { checkInteger, checkKnown } from "./options.ts";
import type { Execution, Parent, PlanContext } from "./plans/execution.ts";
import { Explanation } from "./plans/explanation.ts";
import { OperationExecution } from "./plans/operation-execution.ts";
import { type Settled, unsuccessful } from "./plans/outcome.ts";
import { Plan } from "./plans/plan.ts";
import { writeSqe } from "./write-sqe.ts";

/** What a raw writer takes after the slot: integers, or the words of a payload. */
export type RawArgument = number | Int32Array;

/** The arguments of a raw writer. The empty tuple in it makes TypeScript infer tuples, not arrays. */
type RawArguments = readonly (RawArgument | undefined)[] | [];

/**
 * One io_uring operation, declared once: the raw writer and the described operation both come from it.
 *
 * `raw` writes the SQE from positional numbers and is the method of that name on {@link RawRing}; `lower` turns a description
 * into the same numbers and pins the memory it names; `result` turns the CQE into the described layer's value.
 */
export interface Declaration<Name extends string, Args extends RawArguments, Options extends object, Result> {
  /** The name on both layers. */
  readonly name: Name;
  /** `IORING_OP_*`. */
  readonly opcode: number;
  /** The system call it stands for. */
  readonly syscall: string;
  /** The first kernel that has it. */
  readonly since: string;
  readonly completions: Completions;
  /** The options a description may have. */
  readonly options: readonly (keyof Options & string)[];
  /** Negative results that are not failures: -ETIME of a timer. */
  readonly accepts?: readonly number[];
  /** What an errno means here, where that is something of its own: likely cause and remedy, by name. */
  readonly hints?: Readonly<Record<string, string>>;
  /** The flag that makes the operation, where the opcode alone is older. */
  readonly needs?: FeatureName;
  /** A failure severs a link behind it, always; and so does a `"short"` transfer. For plans that hand several operations over together. */
  readonly severs?: true | "short";
  /** The kernel refuses a personality. */
  readonly impersonal?: boolean;
  /**
   * Its SQE has 64 bytes and depends on nothing but the options, the memory they name and the kernel. What pins nothing is encoded only
   * once; in a prepared plan also what does, as long as its memory stays where it is.
   */
  readonly steady?: boolean;
  raw(this: RingCore, slot: number, ...args: Args): void;
  lower(options: Options, lowering: Lowering): Args;
  /** The value of a CQE. What the kernel wrote into memory of the operation itself is in the lowering's {@link Lowering.output}. */
  result(result: number, flags: number, options: Options, lowering: Lowering): Result;
  /** The bytes that it is asked to move, where a result may be fewer: for {@link TransferOperation.exact}. */
  length?(options: NoInfer<Options>): number;
  /** Undoes a completion whose value nobody gets, because it was aborted: closes what was opened, gives a buffer back. */
  discard?(result: number, flags: number, options: Options, ring: RingCore, lowering: Lowering): void;
  /** What a notification says (`CQE_F_NOTIF`), for operations of the kind "notify". */
  notified?(result: number, options: Options): unknown;
  /** How the completions of the kind "many" make an iteration. */
  readonly shots?: ShotRules<Options, Result>;
}

/** What an iteration must know of a multishot operation beyond its results; everything has a default. */
export interface ShotRules<Options extends object, Result> {
  /** Whether a CQE (with the value made of it) only tells the end, and is no item. Default, with a buffer group: it carries no buffer. */
  ends?(value: Result, flags: number, options: Options): boolean;
  /**
   * The kernel may end a multishot operation that has more to come: the CQ was full, or the buffer group empty (`result` is -ENOBUFS
   * then). With what options it starts again; undefined when that was the end. `total` sums the results since it was started. Default,
   * with a buffer group: the same options, unless the result is 0.
   */
  again?(result: number, flags: number, options: Options, total: number): Options | undefined;
  /** Takes back what an item lends, at the iteration's next step; `unseen` when nobody ever got the item. */
  release?(value: Result, options: Options, unseen: boolean): void;
  /** After how many items the iteration is over, however often the operation was started. Default: no limit. */
  limit?(options: Options): number | undefined;
  /** So many items may wait for the consumer; with more, the operation is stopped until they are taken. Default: no limit. */
  readonly ahead?: number;
}

/** The usual result: what the CQE says, a count or 0. */
export const count = (result: number): number => result;

/** Declares an operation; only the types need help. */
export function declare<Name extends string, Args extends RawArguments, Options extends object, Result>(
  declaration: Declaration<Name, Args, Options, Result>,
): Declaration<Name, Args, Options, Result> {
  return Object.freeze(declaration);
}

/** A declaration of any operation: what one operation knows of another's options is nothing. */
export type AnyDeclaration = Omit<Declaration<string, readonly never[], never, unknown>, "lower" | "shots"> & {
  lower(options: never, lowering: Lowering): readonly (RawArgument | undefined)[];
  readonly shots?: Omit<ShotRules<never, unknown>, "again"> & {
    again?(result: number, flags: number, options: never, total: number): object | undefined;
  };
};

const NO_MODIFIERS: Modifiers = Object.freeze({ flags: 0, personality: 0 });

/**
 * A described operation: an immutable value that says what to do and has done nothing yet. `ring.run` executes it, as often as
 * wanted. `Result` is what it resolves to.
 */
export class Operation<Result> extends Plan<Result, Settled<Result>> {
  /** What the operation is made of; shared by all of its kind. @internal */
  readonly declaration: AnyDeclaration;
  /** The options it was made with; frozen. */
  readonly options: object;
  /** What the SQE carries besides the operation's own fields. @internal */
  readonly modifiers: Modifiers = NO_MODIFIERS;
  /** The SQE, where that is always the same; `kept`: as long as the memory it names is. @internal */
  lowered: { readonly sqe: Int32Array; readonly kept?: Lowering } | undefined = undefined;
  /** Its encoding is kept with the memory that it names: it belongs to a prepared plan. @internal */
  readonly keeps: boolean = false;
  declare protected readonly _result: Result;

  /** @internal */
  constructor(declaration: AnyDeclaration, options: object) {
    super();
    checkKnown(declaration.name, options, declaration.options);
    this.declaration = declaration;
    this.options = Object.freeze({ ...options });
  }

  /** The operation's name, e.g. `"read"`. */
  get name(): string {
    return this.declaration.name;
  }

  /** Its `IORING_OP_*` number. */
  get opcode(): number {
    return this.declaration.opcode;
  }

  /**
   * The same, but it waits for everything queued before it, and what is queued behind it waits for it (`IOSQE_IO_DRAIN`, 5.2). Mind
   * operations that end late or never: it waits for those too, until they are aborted. (An operation that cancels waits behind it like
   * any other; aborts go past the queue, with `IORING_REGISTER_SYNC_CANCEL`, 6.0.) EOPNOTSUPP on a ring where CQE_SKIP was used.
   *
   * On a ring with `sqpoll` an abort does not reach what a worker of the kernel carries out (a splice, what is `async()`) while requests
   * are held back because of a drain, and some time after: it ends in its own time. Closing the ring waits for it a second.
   *
   * Not for zero-copy sends, and not on a ring that they are run on: the kernel (seen from 6.16 to 7.3) counts their own notification among
   * what was queued before, and never begins them. The library refuses them on a ring that has drained. Before 6.16 (seen on 6.12) it is the
   * drain that never begins, on a ring that has sent without copying, and is refused.
   */
  drain(): this & { readonly drained: true } {
    if (this.declaration.completions === "notify")
      throw new TypeError(
        `${this.name}: a zero-copy send that drains waits for its own notification, for ever; drain on another ring, or use send`,
      );
    return modified(this, { flags: this.modifiers.flags | IOSQE_IO_DRAIN }) as this & { readonly drained: true };
  }

  /** The same, but a worker thread of the kernel carries it out, without a try that does not block (`IOSQE_ASYNC`, 5.6). */
  async(): this {
    return modified(this, { flags: this.modifiers.flags | IOSQE_ASYNC });
  }

  /** The same with the credentials that {@link Registrations.personality} kept (5.6); EINVAL when there are none of that number. */
  personality(id: number): this {
    checkInteger(this.name, "personality", id, 1, 0xffff);
    if (this.declaration.impersonal === true) throw new TypeError(`${this.name}: the kernel refuses it with a personality`);
    return modified(this, { personality: id });
  }

  /** Slots and completion queue entries that it needs: a time limit is one of its own. */
  get width(): number {
    return this.modifiers.limit === undefined ? 1 : 2;
  }

  /** @internal */
  visit(look: (operation: Operation<unknown>) => void): void {
    look(this);
  }

  /** @internal */
  execution(context: PlanContext, parent: Parent): Execution {
    return new OperationExecution(this, context, parent);
  }

  /** @internal */
  explain(): Explanation {
    return new Explanation(this.name, this.modifiers.limit === undefined ? "" : "with a link timeout of the kernel");
  }

  /** @internal */
  unstarted(reason: unknown): unknown {
    return unsuccessful("unstarted", reason);
  }

  /** The milliseconds that {@link within} gives it; undefined without a limit. */
  get timeLimit(): number | undefined {
    return (this.modifiers.limit?.options as { ms?: number } | undefined)?.ms;
  }

  /** Writes the SQE for a slot of a ring. Answers what holds what must be pinned until the final CQE. @internal */
  encode(ring: RingCore, slot: number, lowering: Lowering = new Lowering()): Lowering {
    const { lowered } = this;
    if (lowered === undefined) return this.encodeAnew(ring, slot, lowering);
    const { kept, sqe } = lowered;
    if (kept !== undefined && !kept.whole) return this.encodeAnew(ring, slot, lowering);
    ring.prepCopy(slot, sqe);
    return kept ?? lowering;
  }

  private encodeAnew(ring: RingCore, slot: number, lowering: Lowering): Lowering {
    const { declaration, modifiers } = this;
    lowering.begin(declaration.name, ring, slot);
    if (modifiers.lender !== undefined) lowering.borrow(modifiers.lender);
    const args = declaration.lower(this.options as never, lowering) as readonly never[];
    writeSqe(ring, slot, declaration, args);
    lowering.finish(ring, modifiers);
    if (declaration.steady === true && !lowering.borrows) {
      if (lowering.empty) this.lowered = { sqe: ring.sqe };
      else if (this.keeps) this.lowered = { sqe: ring.sqe, kept: lowering.copy() };
    }
    return lowering;
  }
}

/** An operation that moves bytes, and may move fewer than it is asked to. Resolves to the bytes moved. */
export class TransferOperation extends Operation<number> {
  /**
   * The same, but fewer bytes than asked for are a failure, a {@link ShortTransferError}; in a chain nothing follows it then. The bytes
   * that were moved stay moved.
   */
  exact(): this {
    const { declaration, options } = this;
    return modified(this, { length: declaration.length!(options as never) });
  }

  /** The same, but fewer bytes than asked for are a result like any other: the default. */
  allowShort(): this {
    return modified(this, { length: undefined });
  }
}

/** An operation that completes many times; `ring.run` of it is an async iterable. */
export class MultishotOperation<Item> extends Operation<Item> {
  /** Tells it from an operation that completes once. */
  readonly multishot = true as const;
}

/** An operation that the kernel refuses with a personality. */
export type ImpersonalOperation<Result> = Operation<Result> & { readonly personality: never };

/** An operation that the kernel does not begin if it drains. */
export type UndrainableOperation<Result> = Operation<Result> & { readonly drain: never };

/** The same operation with other options, and whatever else it carries. */
export const withOptions = <Op extends Operation<unknown>>(operation: Op, options: object): Op =>
  copied(operation, { options: Object.freeze({ ...options }) });

/** The same with other modifiers, and the rest of its own. */
export const modified = <Op extends Operation<unknown>>(operation: Op, change: Partial<Modifiers>): Op =>
  copied(operation, { modifiers: Object.freeze({ ...operation.modifiers, ...change }) });

/** The same, keeping its encoding. */
export const keeping = <Op extends Operation<unknown>>(operation: Op): Op => copied(operation, { keeps: true });

function copied<Op extends Operation<unknown>>(operation: Op, change: Partial<Pick<Op, "options" | "modifiers" | "keeps">>): Op {
  const copy = Object.create(Object.getPrototypeOf(operation)) as Op;
  return Object.assign(copy, operation, { lowered: undefined }, change);
}
