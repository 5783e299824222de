import { IOSQE_IO_HARDLINK, IOSQE_IO_LINK } from "../abi.ts";
import { UringError } from "../error.ts";
import { abreast, type Execution, type PlanContext } from "./execution.ts";
import type { OperationExecution } from "./operation-execution.ts";
import type { Salvo } from "./volley.ts";

const cancelledBy = ({ status, reason }: Execution): "kernel" | "plan" | undefined => {
  if (status === "cancelled") return "plan";
  return status === "failed" && reason instanceof UringError && reason.code === "ECANCELED" ? "kernel" : undefined;
};

/** What the kernel has against an SQE that it does not take. */
const AT_ONCE = new Set([
  "EINVAL",
  "EACCES",
  "EBADF",
  "EFAULT",
  "EOPNOTSUPP",
  "EPERM",
  "ENXIO",
  "ENOMEM",
  "EOVERFLOW",
  "E2BIG",
  "ENAMETOOLONG",
]);

/** The link behind the operation of an index, as a flag of its SQE. */
export const linkBehind = (links: Links, index: number): number =>
  links === "soft" || (links === "soft, then hard" && index === 0) ? IOSQE_IO_LINK : IOSQE_IO_HARDLINK;

/** Which links there are: only soft ones, only hard ones, or a soft one behind the first and hard ones behind the others. */
export type Links = "soft" | "hard" | "soft, then hard";

/**
 * Hands operations of a chain, or of a group, over in one submit, with kernel links between them. Over when all of their CQEs have come, in
 * whatever order.
 *
 * The kernel may end such a chain where the rules do not: behind a transfer that was short and may be, and before everything when it cannot
 * take one of the SQEs. What it never began then is still to be done: it is as if it had not been started.
 */
export class LinkedExecution {
  /** The operations, in order; of those that are not to be done again, whichever the kernel began is `begun`. */
  readonly steps: readonly OperationExecution[];
  /** The chain goes on behind so many. */
  done = 0;
  /** All of them were fulfilled. */
  whole = false;
  /** The kernel took none of them, because it cannot take one: each must be tried by itself. */
  refused = false;
  readonly #links: Links;
  readonly #context: PlanContext;
  readonly #over: (linked: LinkedExecution) => void;
  #queued = 0;
  #left = 0;
  #fulfilled = 0;
  #run = 0;
  #starting = false;

  constructor(steps: readonly OperationExecution[], links: Links, context: PlanContext, over: (linked: LinkedExecution) => void) {
    this.steps = steps;
    this.#links = links;
    this.#context = context;
    this.#over = over;
  }

  /** How many SQEs it takes. */
  get size(): number {
    return this.steps.length;
  }

  /** Whether they can be queued for one submit, or are already. */
  get fits(): boolean {
    return this.steps[0]!.adopted || this.#context.flights.canSubmit(this.size);
  }

  /** What it queues, as long as all goes well. */
  salvos(): readonly Salvo[] | undefined {
    return abreast(this.steps)?.map(({ steps }) => ({ steps, links: this.#links }));
  }

  /** Queues them, unless they are already: {@link LinkedExecution.fits}. */
  start(): void {
    const { raw, driver } = this.#context.flights;
    const { adopted } = this.steps[0]!;
    this.#starting = true;
    this.#queued = 0;
    this.#fulfilled = 0;
    this.#run++;
    for (const step of this.steps) {
      const before = raw.lastSqe;
      this.#left++;
      step.startNow();
      if (step.status !== "running") {
        step.reset(); // it cannot be encoded: it shall fail when its turn comes
        break;
      }
      if (this.#queued > 0 && !adopted) raw.linkFrom(before, linkBehind(this.#links, this.#queued - 1));
      this.#queued++;
    }
    this.#starting = false;
    if (!adopted) driver.kick();
    if (this.#left === 0) this.#tell();
  }

  /** Cancels those that are in flight; behind a soft link the kernel starts none of the others then. */
  interrupt(reason: unknown): void {
    // A cancel may make room in the SQ, and what completes there begin the next run of a prepared plan, which is none of this.
    const run = this.#run;
    for (const step of this.steps) if (run === this.#run) step.interrupt(reason);
  }

  /** One of them is over. */
  settled(part: Execution): void {
    this.#left--;
    if (part.status === "fulfilled") this.#fulfilled++;
    if (this.#left === 0 && !this.#starting) this.#tell();
  }

  #tell(): void {
    this.done = this.#queued;
    this.refused = false;
    this.whole = this.#fulfilled === this.steps.length;
    if (!this.whole) this.#sortOut();
    this.#over(this);
  }

  // Finds out what of it was never begun.
  #sortOut(): void {
    if (this.#queued === 0) this.#refuse(0);
    else if (this.#links === "soft") this.#soft();
    else if (this.#links === "soft, then hard") this.#softBehindFirst();
    else if (this.#refusedFrom(0)) this.#refuse(0);
  }

  // The first that was not fulfilled is the end of a soft chain; what stands behind it was never begun.
  #soft(): void {
    const all = this.steps;
    let end = 0;
    while (end < this.#queued && all[end]!.status === "fulfilled") end++;
    if (end === this.#queued) return;
    const by = cancelledBy(all[end]!);
    const severed = end > 0 && this.#short(end - 1);
    if (by === "kernel" && (severed || this.#refusedFrom(end))) {
      this.#refuse(end);
      this.refused = !severed;
      return;
    }
    if (severed && by === "plan") all[end]!.reset();
    for (let i = end + 1; i < this.#queued; i++) if (all[i]!.status !== "fulfilled") all[i]!.reset(); // also what was refused by itself
  }

  // When the first link was severed, nothing behind it was begun.
  #softBehindFirst(): void {
    const [first, ...others] = this.steps.slice(0, this.#queued) as [OperationExecution, ...OperationExecution[]];
    if (first.status !== "fulfilled") {
      if (cancelledBy(first) === "kernel" && this.#refusedFrom(0)) this.#refuse(0);
      else for (const other of others) if (other.status !== "fulfilled") other.reset();
    } else if (this.#short(0)) for (const other of others) if (cancelledBy(other) === "kernel") other.reset();
  }

  // From there on nothing was done.
  #refuse(from: number): void {
    this.done = from;
    this.refused = true;
    for (let i = from; i < this.#queued; i++) this.steps[i]!.reset();
  }

  // An SQE that the kernel cannot take fails with an error of its own, and none of the others is begun.
  #refusedFrom(start: number): boolean {
    const rest = this.steps.slice(start, this.#queued);
    const cancelled = rest.filter((step) => cancelledBy(step) === "kernel");
    const refused = rest.filter(({ status, reason }) => status === "failed" && reason instanceof UringError && AT_ONCE.has(reason.code));
    return refused.length > 0 && cancelled.length > 0 && refused.length + cancelled.length === rest.length;
  }

  #short(index: number): boolean {
    const { operation, value } = this.steps[index]!;
    const { declaration, options } = operation;
    return declaration.length !== undefined && (value as number) < declaration.length(options as never);
  }
}
