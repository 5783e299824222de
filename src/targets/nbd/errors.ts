import { SystemError } from "../../ffi/index.ts";

const EIO = -5;

/** What went wrong with a server; a request that fails because of it fails with EIO. */
export function serverError(label: string, cause: unknown, then?: string): SystemError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const hint = then === undefined ? message : `${message}; ${then}`;
  return new SystemError({ syscall: "nbd: server", subject: label, errno: EIO, hint, cause });
}
