import { IOSQE_IO_HARDLINK, IOSQE_IO_LINK } from "../abi.ts";
import { UringError } from "../error.ts";
import type { Operation } from "../operation.ts";
import type { Execution, Parent, PlanContext } from "./execution.ts";
import { OperationExecution } from "./operation-execution.ts";

/** What the kernel made of linked operations. */
export interface Linked {
  /** Those that it carried out, in order; undefined for one that it never began. */
  readonly executions: readonly (Execution | undefined)[];
  /** The chain goes on behind these. */
  readonly done: number;
  /** The kernel took none of them, because it cannot take one: each must be tried by itself. */
  readonly refused: boolean;
}

const cancelledBy = ({ status, reason }: Execution): "kernel" | "plan" | undefined => {
  if (status === "cancelled") return "plan";
  return status === "failed" && reason instanceof UringError && reason.code === "ECANCELED" ? "kernel" : undefined;
};

/** What the kernel has against an SQE that it does not take. */
const AT_ONCE = new Set(["EINVAL", "EBADF", "EFAULT", "EOPNOTSUPP", "EPERM", "ENXIO", "ENOMEM", "EOVERFLOW", "E2BIG", "ENAMETOOLONG"]);

const NOTHING_DONE: Linked = Object.freeze({ executions: [], done: 0, refused: true });

/**
 * Operations of a chain that were handed over in one submit, with kernel links between them. Over when all of their CQEs have come, in
 * whatever order.
 *
 * The kernel may end such a chain where the rules do not: behind a transfer that was short and may be, and before everything when it cannot
 * take one of the SQEs. What it never began then is still to be done.
 */
export class LinkedExecution implements Parent {
  readonly #operations: readonly Operation<unknown>[];
  readonly #hard: boolean;
  readonly #context: PlanContext;
  readonly #over: (linked: Linked) => void;
  readonly #executions: OperationExecution[] = [];
  #left = 0;
  #starting = false;

  constructor(operations: readonly Operation<unknown>[], hard: boolean, context: PlanContext, over: (linked: Linked) => void) {
    this.#operations = operations;
    this.#hard = hard;
    this.#context = context;
    this.#over = over;
  }

  /** Queues them. The ring has room. */
  start(): void {
    const { raw } = this.#context.flights;
    this.#starting = true;
    for (const operation of this.#operations) {
      const before = raw.lastSqe;
      const execution = new OperationExecution(operation, this.#context, this);
      this.#left++;
      execution.startNow();
      if (execution.status !== "running") break; // it cannot be encoded: it shall fail when its turn comes
      if (this.#executions.length > 0) raw.linkFrom(before, this.#hard ? IOSQE_IO_HARDLINK : IOSQE_IO_LINK);
      this.#executions.push(execution);
    }
    this.#starting = false;
    if (this.#left === 0) this.#tell();
  }

  /** Cancels those that are in flight; behind a soft link the kernel starts none of the others then. */
  interrupt(reason: unknown): void {
    for (const execution of this.#executions) execution.interrupt(reason);
  }

  settled(): void {
    this.#left--;
    if (this.#left === 0 && !this.#starting) this.#tell();
  }

  #tell(): void {
    const { length } = this.#executions;
    if (length === 0) this.#over(NOTHING_DONE);
    else if (this.#hard) this.#over(this.#refusedFrom(0) ? NOTHING_DONE : { executions: this.#executions, done: length, refused: false });
    else this.#over(this.#soft());
  }

  // The first that was not fulfilled is the end of a soft chain; what stands behind it was never begun.
  #soft(): Linked {
    const all = this.#executions;
    const end = all.findIndex(({ status }) => status !== "fulfilled");
    if (end < 0) return { executions: all, done: all.length, refused: false };
    const by = cancelledBy(all[end]!);
    const severed = end > 0 && this.#short(end - 1);
    if (by === "kernel" && (severed || this.#refusedFrom(end))) return { executions: all.slice(0, end), done: end, refused: !severed };
    const begun = (execution: Execution, i: number): boolean =>
      i < end || (i === end ? !(severed && by === "plan") : cancelledBy(execution) === undefined);
    return { executions: all.map((execution, i) => (begun(execution, i) ? execution : undefined)), done: all.length, refused: false };
  }

  // An SQE that the kernel cannot take fails with an error of its own, and none of the others is begun.
  #refusedFrom(start: number): boolean {
    const rest = this.#executions.slice(start);
    const refused = rest.filter(({ status, reason }) => status === "failed" && reason instanceof UringError && AT_ONCE.has(reason.code));
    return refused.length > 0 && refused.length < rest.length && rest.every(({ status }) => status !== "fulfilled");
  }

  #short(index: number): boolean {
    const { declaration, options } = this.#operations[index]!;
    const { value } = this.#executions[index]!;
    return declaration.length !== undefined && (value as number) < declaration.length(options as never);
  }
}
