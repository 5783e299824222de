import { SystemError } from "../../ffi/index.ts";
import { isClosed } from "../error.ts";

/** How something of a plan ended, or did not begin. */
export type Status = "fulfilled" | "failed" | "cancelled" | "unstarted";

/**
 * What did not succeed. It `failed` by itself (a negative result, a short one where that counts, a time limit, a `step` that threw); or was
 * `cancelled` while it was in flight; or was never begun (`unstarted`).
 */
export interface Unsuccessful {
  /** Which of the three. */
  readonly status: "failed" | "cancelled" | "unstarted";
  /** Its own error; or why it was cancelled or not begun: the error of another part, a signal's reason, a {@link TimeLimitError}. */
  readonly reason: unknown;
  /** The error's name in the kernel (`"EIO"`), or its class where it has none; `"ECANCELED"` when it was cancelled or not begun. */
  readonly code: string;
}

/** How an operation ended. */
export type Settled<Value> = { readonly status: "fulfilled"; readonly value: Value } | Unsuccessful;

/** How a plan ended that has parts of its own. */
export type Ended = { readonly status: "fulfilled" } | Unsuccessful;

/** What {@link chain} tells: of each step, in order. */
export type ChainOutcome<Steps> = Ended & { readonly steps: Steps };
/** What {@link all} tells: of each part, in order. */
export type AllOutcome<Parts> = Ended & { readonly parts: Parts };
/** What {@link group} tells. `release` is there where the group has one. */
export type GroupOutcome<Leader, Members> = Ended & {
  readonly leader: Leader;
  readonly members: Members;
  readonly release?: Settled<unknown> | Ended;
};
/** What {@link deadline} tells. */
export type DeadlineOutcome<Within> = Ended & { readonly plan: Within };
/** What {@link retry} tells: of each attempt, in order; of none when it was never begun. */
export type RetryOutcome<Attempt> = Ended & { readonly attempts: readonly Attempt[] };

/** What is told of an error. */
export function codeOf(reason: unknown): string {
  if (reason instanceof SystemError) return reason.code;
  return reason instanceof Error ? reason.name : typeof reason;
}

/** The part of an outcome that tells of no success. */
export const unsuccessful = (status: Unsuccessful["status"], reason: unknown): Unsuccessful => ({
  status,
  reason,
  code: status === "failed" ? codeOf(reason) : "ECANCELED",
});

/** What is told of an operation that was run by itself. */
export function settled<Value>(run: Promise<Value>, signal: AbortSignal | undefined): Promise<Settled<Value>> {
  return run.then(
    (value) => ({ status: "fulfilled", value }),
    (reason: unknown) => unsuccessful((signal?.aborted && signal.reason === reason) || isClosed(reason) ? "cancelled" : "failed", reason),
  );
}
