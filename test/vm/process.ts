import { VmError } from "./failure.ts";

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Aborting ends the program and its children. */
  readonly signal?: AbortSignal | undefined;
  /** Exit statuses that are answers and not failures. */
  readonly accept?: readonly number[];
}

interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the kernel does for a child whose parent died however it died: even after SIGKILL nothing is left running. */
export function dieWithParent(signal: "TERM" | "KILL"): string[] {
  return ["setpriv", "--pdeathsig", signal, "--"];
}

/** Runs a program that must not be cut short, with its messages kept for a failure: an installation, for example. */
export async function runUndisturbed(command: readonly string[], env: Record<string, string>): Promise<void> {
  const child = Bun.spawn(["setsid", ...command], {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  await finish(command, child);
}

/** Runs a program to its end and returns what it wrote; a failure carries the end of its messages. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  options.signal?.throwIfAborted();
  // In a session of its own: Ctrl-C reaches only us, and what is to be ended is ended with its children.
  const child = Bun.spawn(["setsid", ...dieWithParent("TERM"), ...command], {
    cwd: options.cwd,
    env: { ...process.env, LC_ALL: "C.UTF-8", ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const abort = () => endGroup(child.pid, child.exited);
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    return await finish(command, child, options.accept);
  } catch (error) {
    options.signal?.throwIfAborted(); // it failed because we ended it
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", abort);
  }
}

/**
 * Puts a program, as root, into a process namespace that the kernel empties when the program's parent dies or
 * ends it: mmdebstrap by itself carries on to its end whatever signal it gets.
 */
export async function contained(command: readonly string[]): Promise<string[]> {
  const container = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child=KILL"];
  // Root inside a plain Docker container may not, and goes without.
  const possible = process.getuid?.() === 0 && (await run([...container, "true"], { accept: [1] })).status === 0;
  // unshare itself ignores SIGTERM while it waits.
  return possible ? [...dieWithParent("KILL"), ...container, ...command] : [...command];
}

const PATIENCE_MS = 1000;

async function endGroup(group: number, exited: Promise<number>): Promise<void> {
  const signal = (name: "SIGTERM" | "SIGKILL") => {
    try {
      process.kill(-group, name);
    } catch {
      // it has ended meanwhile
    }
  };
  signal("SIGTERM");
  await Promise.race([exited, Bun.sleep(PATIENCE_MS)]);
  signal("SIGKILL");
}

async function finish(
  command: readonly string[],
  child: Bun.Subprocess<"ignore", "pipe", "pipe">,
  accept: readonly number[] = [],
): Promise<Finished> {
  const [stdout, stderr, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  if (status !== 0 && !accept.includes(status)) {
    const tail = `${stdout}\n${stderr}`.trim().split("\n").slice(-15).join("\n");
    throw new VmError(`${command.slice(0, 3).join(" ")} ... failed with status ${status}:\n${tail}`);
  }
  return { status, stdout, stderr };
}
