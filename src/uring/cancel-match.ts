import * as abi from "./abi.ts";
import type { CompletionQueue } from "./completion.ts";
import { resolveTarget, type Target } from "./handle.ts";
import { type Fd, FixedFile } from "./handles.ts";
import { checkBoolean, checkInteger, checkKnown } from "./options.ts";

/** Everything that is in flight. */
export interface CancelAny {
  /** There is nothing to choose by. */
  any: true;
  /** Excluded. */
  target?: undefined;
  /** Excluded. */
  fd?: undefined;
  /** Excluded. */
  opcode?: undefined;
  /** Excluded. */
  all?: undefined;
}

/** What is in flight and agrees with everything that is given: at least one of the three. */
export type CancelBy = (
  | {
      /** The operation that a handle names. */
      target: Target;
      fd?: Fd | FixedFile;
      opcode?: number;
    }
  | {
      target?: undefined;
      /** Operations on this file: by its descriptor, or by its slot where they were queued with that (6.0). */
      fd: Fd | FixedFile;
      opcode?: number;
    }
  | {
      target?: undefined;
      fd?: undefined;
      /** Operations of this kind, `IORING_OP_*` (6.6). */
      opcode: number;
    }
) & {
  /** All that agree, not only the first that is found (5.19). */
  all?: boolean;
  /** Excluded. */
  any?: undefined;
};

/** Which operations a cancel is about. */
export type CancelMatch = CancelAny | CancelBy;

/** The same without what excludes what: as it arrives. */
export interface LooseMatch {
  target?: Target;
  fd?: Fd | FixedFile;
  opcode?: number;
  all?: boolean;
  any?: boolean;
}

/** The words of a cancel. */
export interface MatchWords {
  readonly low: number;
  readonly high: number;
  readonly fd: number;
  readonly flags: number;
  readonly opcode: number;
}

const NAMES = ["target", "fd", "opcode", "all", "any"] as const;
export const matchOptions: readonly (typeof NAMES)[number][] = NAMES;

/** Checks the description of a cancel and puts it into words. */
export function matchOf(what: string, match: LooseMatch, raw: CompletionQueue | undefined): MatchWords {
  checkKnown(what, match, NAMES);
  const { any: everything, target, fd, opcode, all = false } = match;
  checkBoolean(what, "all", all);
  if (everything !== undefined) {
    if (everything !== true || target !== undefined || fd !== undefined || opcode !== undefined)
      throw new TypeError(`${what}: any: true stands alone`);
    return { low: 0, high: 0, fd: -1, flags: abi.IORING_ASYNC_CANCEL_ANY, opcode: 0 };
  }
  if (target === undefined && fd === undefined && opcode === undefined)
    throw new TypeError(`${what}: say what to cancel: target, fd, opcode, or any: true`);
  let flags = all ? abi.IORING_ASYNC_CANCEL_ALL : 0;
  let number = -1;
  if (fd instanceof FixedFile) {
    flags |= abi.IORING_ASYNC_CANCEL_FD | abi.IORING_ASYNC_CANCEL_FD_FIXED;
    number = fd.slot;
  } else if (fd !== undefined) {
    flags |= abi.IORING_ASYNC_CANCEL_FD;
    number = checkInteger(what, "fd", fd, 0, 0x7fff_ffff);
  }
  if (opcode !== undefined) {
    flags |= abi.IORING_ASYNC_CANCEL_OP;
    checkInteger(what, "opcode", opcode, 0, 255);
  }
  const { slot, generation } = target === undefined ? { slot: 0, generation: 0 } : resolveTarget(target, raw, what);
  // Alone, user_data is what a cancel goes by anyway; kernels before 6.6 do not know the flag that says so.
  if (target !== undefined && (fd !== undefined || opcode !== undefined)) flags |= abi.IORING_ASYNC_CANCEL_USERDATA;
  return { low: slot, high: generation, fd: number, flags, opcode: opcode ?? 0 };
}
