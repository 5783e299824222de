import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Where servers of this user leave what others of the same user look for: a directory that nobody else can have made. Root's is the system's.
 */
export function userDirectory(ofRoot: string): string {
  if (process.getuid?.() === 0) return ofRoot;
  const { XDG_RUNTIME_DIR: runtime } = process.env;
  return runtime === undefined || runtime === "" ? join(homedir(), ".local/state/uring-ublk") : join(runtime, "uring-ublk");
}
