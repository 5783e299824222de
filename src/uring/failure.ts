import { errnoName } from "../ffi/index.ts";
import { ProtocolError, TimeLimitError, UringError } from "./error.ts";
import type { Operation } from "./operation.ts";
import type { TimeLimit } from "./time-limit.ts";

const EINTR = -4;
const ECANCELED = -125;

/** What the negative result of an operation means, which may have had a time limit. */
export function failureOf({ declaration, name, timeLimit }: Operation<unknown>, errno: number, limit: TimeLimit | undefined): UringError {
  const cancelled = errno === ECANCELED || errno === EINTR;
  if (cancelled && limit?.expired) return new TimeLimitError(name, timeLimit!);
  const refused = cancelled ? (limit?.refused ?? 0) : 0;
  const hint = refused < 0 ? `the kernel refused its time limit: ${errnoName(refused)}` : declaration.hints?.[errnoName(errno)];
  return new UringError({ operation: name, errno, ...(hint === undefined ? {} : { hint }) });
}

/** A buffer was lost while the kernel used it. */
export const corruption = (name: string): ProtocolError =>
  new ProtocolError(`a buffer of '${name}' was transferred while the kernel used it: memory may be corrupted`);
