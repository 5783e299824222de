import { sys } from "uring-ublk/ffi";

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 60_000;
const TERMINATED = 128 + 15;

/** The path of a block device, as a disk's server prints it. */
const DEVICE = /\/dev\/ublkb\d+(?=\s)/;

/** How a server is started, says what it serves, and is stopped. */
export interface ServerProgram {
  readonly command: readonly string[];
  /** What it prints when that can be used; by default the path of a block device. */
  readonly announces?: RegExp;
  /** What is served, made of the match; by default all of it. */
  readonly served?: (match: RegExpExecArray) => string;
  /** The command that ends it, made of the match; by default SIGTERM does. */
  readonly stoppedBy?: (match: RegExpExecArray) => readonly string[];
}

/** A server in a process of its own, ours or the floor's. */
export interface Server extends AsyncDisposable {
  /** What it said it serves: a block device, or a port. */
  readonly announced: string;
  readonly pid: number;
  /** CPU time of all its threads so far, in microseconds. */
  cpuMicroseconds(): number;
}

/** The clock of a process's CPU time (`clock_getcpuclockid(3)`): in nanoseconds, and with the threads that have ended. */
function cpuNanoseconds(pid: number): number {
  return sys.clockGettime((~pid << 3) | 2);
}

/** Processors for a server and for its client; the same where there is only one. */
export function processors(): { server: number; client: number } {
  const allowed = sys.schedGetAffinity(0);
  return { client: allowed[0]!, server: allowed[1] ?? allowed[0]! };
}

/** Puts all threads of a server on a processor of its own. */
async function pin(pid: number): Promise<void> {
  const child = Bun.spawn(["taskset", "-acp", String(processors().server), String(pid)], { stdout: "ignore", stderr: "inherit" });
  if ((await child.exited) !== 0) throw new Error("taskset failed: the server could not be put on a processor of its own");
}

/** Reads lines until one says what is served. */
async function announcement(output: ReadableStream<Uint8Array>, pattern: RegExp): Promise<RegExpExecArray> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of output) {
    text += decoder.decode(chunk, { stream: true });
    const found = pattern.exec(text);
    if (found !== null) return found;
  }
  throw new Error(`the server ended without saying what it serves; it said: ${text || "nothing"}`);
}

async function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function runToEnd(command: readonly string[]): Promise<void> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "ignore", stderr: "inherit" });
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")} ended with status ${child.exitCode}`);
}

/** Ends a server by a command of its own, or else by SIGTERM. */
async function stop(child: Bun.Subprocess, name: string, command: readonly string[] | undefined): Promise<void> {
  const end = async (): Promise<void> => {
    if (command === undefined) child.kill("SIGTERM");
    else await runToEnd(command);
    await child.exited;
  };
  try {
    await within(end(), STOP_LIMIT_MS, `stopping ${name}`);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  // A server that stopped its disk on a SIGTERM may say so, as shells count signals.
  if (child.exitCode !== 0 && child.exitCode !== TERMINATED && child.signalCode !== "SIGTERM")
    throw new Error(`${name} ended with status ${child.exitCode}`);
}

/** Starts a server, and resolves when what it serves can be used. */
export async function startServer({ command, announces = DEVICE, served = ([all]) => all, stoppedBy }: ServerProgram): Promise<Server> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const name = command.join(" ");
  try {
    const match = await within(announcement(child.stdout, announces), READY_LIMIT_MS, `starting ${name}`);
    await pin(child.pid);
    return {
      announced: served(match),
      pid: child.pid,
      cpuMicroseconds: () => cpuNanoseconds(child.pid) / 1000,
      [Symbol.asyncDispose]: () => stop(child, name, stoppedBy?.(match)),
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}
