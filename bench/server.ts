import { sys } from "uring-ublk/ffi";

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 60_000;
const TERMINATED = 128 + 15;

/** A ublk server in a process of its own, ours or the floor's: its disk and what it costs. */
export interface DiskServer extends AsyncDisposable {
  readonly device: string;
  /** CPU time of all its threads so far, in microseconds. */
  cpuMicroseconds(): number;
}

/** The clock of a process's CPU time (`clock_getcpuclockid(3)`): in nanoseconds, and with the threads that have ended. */
function cpuNanoseconds(pid: number): number {
  return sys.clockGettime((~pid << 3) | 2);
}

/** Puts all threads of a server on the second processor; fio has the first. */
async function pin(pid: number): Promise<void> {
  const child = Bun.spawn(["taskset", "-acp", "1", String(pid)], { stdout: "ignore", stderr: "inherit" });
  if ((await child.exited) !== 0) throw new Error("taskset failed: the server could not be put on a processor of its own");
}

/** Reads lines until one names the block device. */
async function deviceOf(output: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of output) {
    text += decoder.decode(chunk, { stream: true });
    const found = /\/dev\/ublkb\d+(?=\s)/.exec(text);
    if (found !== null) return found[0];
  }
  throw new Error(`the server ended without naming its device; it said: ${text || "nothing"}`);
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

/** Starts a server that prints its device's path when the disk can be used, and that SIGTERM ends. */
export async function startServer(command: readonly string[]): Promise<DiskServer> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    try {
      await within(child.exited, STOP_LIMIT_MS, `stopping ${command.join(" ")}`);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
    // A server that stopped its disk on a SIGTERM may say so, as shells count signals.
    if (child.exitCode !== 0 && child.exitCode !== TERMINATED) throw new Error(`${command.join(" ")} ended with status ${child.exitCode}`);
  };
  try {
    const device = await within(deviceOf(child.stdout), READY_LIMIT_MS, `starting ${command.join(" ")}`);
    await pin(child.pid);
    return { device, cpuMicroseconds: () => cpuNanoseconds(child.pid) / 1000, [Symbol.asyncDispose]: stop };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}
