import { readFileSync } from "node:fs";
import { type Arena, SystemError, sys } from "../ffi/index.ts";
import { UblkError } from "./error.ts";

/** Errors that tell of the limit, or of memory that there is not. */
const REFUSED: readonly string[] = ["ENOMEM", "EPERM", "EAGAIN"];

/**
 * Fetches memory into RAM and keeps it there (`mlock(2)`). Memory that was locked as it is touched (`MLOCK_ONFAULT`) would still have to be
 * found when a request comes, and that is when there is none. What cannot be locked is given back.
 *
 * Not `mlockall(2)`: the collector reserves address space by the gigabyte, which counts as locked whether it is used or not.
 */
export function lockInRam(arena: Arena): void {
  try {
    sys.mlock(arena.address, arena.length);
  } catch (error) {
    arena.dispose();
    if (!(error instanceof SystemError) || !REFUSED.includes(error.code)) throw error;
    throw new UblkError({ command: "lockMemory", errno: error.errno, subject: `${arena.length} bytes`, hint: hint(), cause: error });
  }
}

function hint(): string {
  return `RLIMIT_MEMLOCK allows ${limit()} in all, and there may be less memory than that; raise it (\`ulimit -l\`, LimitMEMLOCK= of systemd), give the process CAP_IPC_LOCK, or lower depth or maxIo`;
}

function limit(): string {
  const soft = /^Max locked memory\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return soft === undefined || soft === "unlimited" ? "any amount" : `${soft} bytes`;
}
