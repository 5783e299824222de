import { SystemError } from "../ffi/index.ts";

/** An error in words; a stack helps nobody here. Where the driver cannot be reached, cause and remedy say it all. */
export function plainly(error: unknown): string {
  if (error instanceof SystemError && error.syscall === "ublk open" && error.hint !== undefined) return error.hint;
  return error instanceof Error ? error.message : String(error);
}
