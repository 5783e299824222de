/** Starts the example programs as a user would, in processes of their own. */
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const READY_MS = 120_000; // an emulated machine, and neighbours

let started = 0;

/** An example that serves. */
export interface Program extends AsyncDisposable {
  /** Its disk, `/dev/ublkbN`, if it has one. */
  readonly device: string;
  readonly pid: number;
  /** What it wrote to stdout until it was ready. */
  readonly line: string;
  /** What it wrote to stderr; known when it has ended. */
  readonly errors: Promise<string>;
  /** Sends a signal and waits for the end; answers the exit status. */
  end(signal: "SIGINT" | "SIGTERM"): Promise<number>;
}

const command = (name: string, args: readonly string[]): string[] => [process.execPath, `examples/${name}/main.ts`, ...args];

/** Runs an example to its end. */
export async function runExample(name: string, ...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const child = Bun.spawn(command(name, args), { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { status, out, err };
}

/** Starts an example and waits for its first line: its disk is there, its port is open. */
export async function startExample(name: string, ...args: string[]): Promise<Program> {
  // A file: the text of a pipe now and then never came to an end where the test's process had sockets as well.
  const log = join(tmpdir(), `example-${process.pid}-${++started}.log`);
  const child = Bun.spawn(command(name, args), { stdin: "ignore", stdout: "pipe", stderr: Bun.file(log) });
  const limit = setTimeout(() => child.kill("SIGKILL"), READY_MS);
  const errors = child.exited.then(() => {
    const text = readFileSync(log, "utf8");
    rmSync(log);
    return text;
  });
  let line = "";
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  while (!line.includes("\n")) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`${name} ended with status ${await child.exited} and no disk: ${line}${await errors}`);
    line += decoder.decode(value, { stream: true });
  }
  clearTimeout(limit);
  reader.releaseLock();
  const device = /\/dev\/ublkb\d+/.exec(line)?.[0] ?? "";
  const end = async (signal: "SIGINT" | "SIGTERM"): Promise<number> => {
    child.kill(signal);
    const patience = setTimeout(() => child.kill("SIGKILL"), READY_MS);
    const status = await child.exited;
    clearTimeout(patience);
    return status;
  };
  return {
    device,
    pid: child.pid,
    line: line.trim(),
    errors,
    end,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null) await end("SIGTERM");
    },
  };
}
