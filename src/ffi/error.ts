import { errnoName, errnoOf } from "./errno.ts";

const EIO = -5;

/** Likely causes and remedies that hold wherever the errno comes from; a caller that knows more passes its own hint. */
const HINTS: Readonly<Record<string, string>> = {
  EPERM: "the operation needs a privilege this process lacks (most of ublk needs root, CAP_SYS_ADMIN)",
  EACCES: "file permissions forbid it; run as root or change the owner of the file",
  EMFILE: "this process has too many open files; raise `ulimit -n` or close some",
  ENFILE: "the machine has too many open files; raise fs.file-max",
  ENOMEM: "memory or the locked-memory limit is exhausted; raise `ulimit -l` or free memory",
  ENOSPC: "the file system is full",
};

/** What a {@link SystemError} is made of. */
export interface SystemErrorInit {
  /** The system call or library function that failed, e.g. `"open"`. */
  syscall: string;
  /** The errno, negative (`-2`). */
  errno: number;
  /** What it was about: a path, a descriptor, an option. */
  subject?: string;
  /** Likely cause and remedy. A general one is used when none is given. */
  hint?: string;
  /** The error that led to this one. */
  cause?: unknown;
}

/**
 * A system call failed.
 *
 * `code` is the name (`"ENOENT"`), `errno` the negative number as in Node, `syscall` who said so, and `hint`, where one is
 * known, the likely cause and its remedy; the message contains all of them.
 *
 * @example
 * ```ts
 * import { sys, SystemError } from "uring-ublk/ffi";
 * try {
 *   sys.open("/no/such/file", 0);
 * } catch (error) {
 *   if (!(error instanceof SystemError)) throw error;
 *   console.log(error.code, error.errno, error.syscall); // ENOENT -2 open
 * }
 * ```
 */
export class SystemError extends Error {
  /** The errno's name, e.g. `"ENOENT"`. */
  readonly code: string;
  /** The errno, negative as in Node: -2. */
  readonly errno: number;
  /** The system call or library function that failed. */
  readonly syscall: string;
  /** Likely cause and remedy, where one is known. */
  readonly hint: string | undefined;

  constructor(init: SystemErrorInit) {
    const code = errnoName(init.errno);
    const hint = init.hint ?? HINTS[code];
    const about = init.subject === undefined ? "" : ` '${init.subject}'`;
    super(`${init.syscall}${about}: ${code}${hint === undefined ? "" : ` (${hint})`}`, { cause: init.cause });
    this.name = new.target.name;
    this.code = code;
    this.errno = -Math.abs(init.errno);
    this.syscall = init.syscall;
    this.hint = hint;
  }

  /** The negative errno to hand to the block layer for a request that this error failed. Never 0 and never positive. */
  get blockErrno(): number {
    return this.errno < 0 ? this.errno : EIO;
  }
}

/**
 * The negative errno to answer a block request with when `error` was thrown while serving it: the error's own where it
 * carries one (a {@link SystemError}, a Node `ErrnoException`, a `code` such as `"ENOSPC"`), EIO otherwise.
 */
export function blockErrnoOf(error: unknown): number {
  if (error instanceof SystemError) return error.blockErrno;
  if (typeof error !== "object" || error === null) return EIO;
  const { errno, code } = error as { errno?: unknown; code?: unknown };
  if (typeof code === "string") {
    const named = errnoOf(code);
    if (named !== undefined && named < 0) return named;
  }
  if (typeof errno === "number" && Number.isInteger(errno) && errno !== 0 && Math.abs(errno) < 4096) return -Math.abs(errno);
  return EIO;
}
