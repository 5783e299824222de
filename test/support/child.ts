import { join } from "node:path";
import { inVm } from "./requires.ts";

export const ROOT = join(import.meta.dir, "../..");

/** Emulation is slow: but a test ends before its own time is up. */
const LIMIT_MS = inVm() ? 110_000 : 25_000;

export interface ChildResult {
  readonly status: number | null;
  /** The signal that ended it, if one did. */
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a TypeScript program below test/ in a Bun of its own; killed when it lives too long. */
export function startProgram(path: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  return Bun.spawn({
    cmd: [process.execPath, join(ROOT, "test", path), ...args],
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
}

/** Runs a program to its end. */
export async function runProgram(path: string, args: readonly string[] = [], env: Record<string, string> = {}): Promise<ChildResult> {
  const child = startProgram(path, args, env);
  const [stdout, stderr, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return {
    status: child.signalCode === null ? status : null,
    signal: child.signalCode === null ? null : String(child.signalCode),
    stdout,
    stderr,
  };
}
