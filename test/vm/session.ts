import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory } from "./cache.ts";

/** One run's own directory, its messages to the reader, and its end. */
export interface Session extends AsyncDisposable {
  readonly signal: AbortSignal;
  readonly say: (message: string) => void;
  /** A path inside the run's directory; "." is the directory itself. */
  path(name: string): string;
}

/**
 * Opens the directory in which a run builds and keeps everything temporary. A guard outside our process
 * group removes it when our end of its pipe closes: after a normal end, Ctrl-C or SIGKILL alike.
 */
export function openSession(signal: AbortSignal, say: (message: string) => void): Session {
  const runs = join(cacheDirectory(), "runs");
  mkdirSync(runs, { recursive: true });
  sweep(runs);
  const directory = join(runs, `${process.pid}-${randomBytes(4).toString("hex")}`);
  mkdirSync(directory, { mode: 0o700 });
  // More than one try: a program that is just being ended may still put a file there.
  const script = 'trap "" INT TERM HUP; cat >/dev/null; for i in 1 2 3 4 5; do rm -rf --one-file-system -- "$1" && exit; sleep 1; done';
  const guard = Bun.spawn(["setsid", "sh", "-c", script, "guard", directory], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  });
  guard.unref();
  return {
    signal,
    say,
    path: (name) => join(directory, name),
    async [Symbol.asyncDispose]() {
      guard.ref();
      guard.stdin.end();
      await guard.exited;
    },
  };
}

/**
 * Directories that a crash of the whole machine left behind. The age counts as well as the process, because
 * a container that shares this cache has processes we cannot see.
 */
function sweep(runs: string): void {
  for (const name of readdirSync(runs)) {
    const path = join(runs, name);
    const old = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) > 86_400_000;
    if (old && !existsSync(`/proc/${Number.parseInt(name, 10)}`)) rmSync(path, { recursive: true, force: true });
  }
}
