import { errnoName } from "../ffi/index.ts";
import type { RingCore } from "./core.ts";
import { ProtocolError, ShortTransferError, TimeLimitError, UringError } from "./error.ts";
import type { Lowering } from "./lowering.ts";
import type { Operation } from "./operation.ts";
import type { TimeLimit } from "./time-limit.ts";

const EINTR = -4;
const ECANCELED = -125;

/** Whether a result tells that an operation failed. */
export const isFailure = ({ declaration }: Operation<unknown>, result: number): boolean =>
  result < 0 && declaration.accepts?.includes(result) !== true;

/** What the negative result of an operation means, which may have had a time limit. */
export function failureOf({ declaration, name, timeLimit }: Operation<unknown>, errno: number, limit?: TimeLimit): UringError {
  const cancelled = errno === ECANCELED || errno === EINTR;
  if (cancelled && limit?.expired) return new TimeLimitError(name, timeLimit!);
  const refused = cancelled ? (limit?.refused ?? 0) : 0;
  const hint = refused < 0 ? `the kernel refused its time limit: ${errnoName(refused)}` : declaration.hints?.[errnoName(errno)];
  return new UringError({ operation: name, errno, ...(hint === undefined ? {} : { hint }) });
}

/** What an operation that did not fail resolves to. Throws when it moved too little, or when that cannot be. */
export function valueFrom(
  { declaration, modifiers, options }: Operation<unknown>,
  result: number,
  flags: number,
  lowering: Lowering,
): unknown {
  if (modifiers.length !== undefined && result < modifiers.length) throw new ShortTransferError(declaration.name, result, modifiers.length);
  return declaration.result(result, flags, options as never, lowering);
}

/** Gives back what a completion provided that nobody gets; false where that is nothing. */
export function discard(
  { declaration, options }: Operation<unknown>,
  result: number,
  flags: number,
  ring: RingCore,
  lowering: Lowering,
): boolean {
  if (declaration.discard === undefined) return false;
  declaration.discard(result, flags, options as never, ring, lowering);
  return true;
}

/** A buffer was lost while the kernel used it. */
export const corruption = (name: string): ProtocolError =>
  new ProtocolError(`a buffer of '${name}' was transferred while the kernel used it: memory may be corrupted`);

/** A notification came for an operation that has none. */
export const strayNotification = (name: string): ProtocolError =>
  new ProtocolError(`a notification came for '${name}' that cannot have one`);
