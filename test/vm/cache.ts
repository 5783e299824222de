import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Session } from "./session.ts";

/** Where everything that outlives a run is kept; a user may delete it at any time. */
export function cacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const directory = join(base, "uring-ublk");
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** A short name for a recipe: the same ingredients give the same key, any change another. */
export function contentKey(...ingredients: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(ingredients)).digest("hex").slice(0, 16);
}

/**
 * Returns the cached directory `name`, made by `build` if it is not there, or in any case if it is wanted
 * `anew`. It is built inside the session's own directory and renamed when complete, so no other run ever sees
 * half of it, and under a lock, so that two runs that start together do not both download and build.
 */
export async function cached(
  session: Session,
  name: string,
  build: (directory: string) => Promise<void>,
  { anew = false } = {},
): Promise<string> {
  const final = join(cacheDirectory(), name);
  if (existsSync(final) && !anew) return touch(final);
  await using _lock = await lock(session, name.replace(/-[^-]*$/, ""));
  if (existsSync(final) && !anew) return touch(final);
  const draft = session.path(`build-${name}`);
  mkdirSync(draft);
  await build(draft);
  session.signal.throwIfAborted();
  // What it replaces goes with the session; a VM that uses it has its files open.
  if (existsSync(final)) renameSync(final, session.path(`old-${name}`));
  renameSync(draft, final);
  return final;
}

/** Removes the entries called `prefix...` beyond the `keep` last used; one a run has opened stays readable to it. */
export function trim(prefix: string, keep: number): void {
  const directory = cacheDirectory();
  const entries = readdirSync(directory)
    .filter((name) => name.startsWith(prefix))
    .map((name) => ({ path: join(directory, name), used: usedAt(join(directory, name)) }))
    .sort((a, b) => b.used - a.used);
  // An hour's grace: another run may have chosen an entry that its QEMU has not opened yet.
  for (const entry of entries.slice(keep)) if (Date.now() - entry.used > 3_600_000) rmSync(entry.path, { recursive: true, force: true });
}

function touch(path: string): string {
  const now = new Date();
  utimesSync(path, now, now);
  return path;
}

function usedAt(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0; // another run trimmed it first
  }
}

/**
 * Holds an exclusive lock of that name until disposed. The lock belongs to a child that ends with our end of
 * its pipe: the kernel frees it however this process ends, so there are no stale locks to recognise.
 */
export async function lock(session: Session, name: string): Promise<AsyncDisposable> {
  const directory = join(cacheDirectory(), "locks");
  mkdirSync(directory, { recursive: true });
  const holder = Bun.spawn(["flock", join(directory, name), "sh", "-c", "echo held; exec cat"], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const abort = () => {
    holder.kill();
    holder.stdin.end();
  };
  session.signal.addEventListener("abort", abort, { once: true });
  const reader = holder.stdout.getReader();
  await reader.read();
  session.signal.removeEventListener("abort", abort);
  session.signal.throwIfAborted();
  return {
    async [Symbol.asyncDispose]() {
      holder.stdin.end();
      await holder.exited;
    },
  };
}
