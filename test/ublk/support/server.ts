import { join } from "node:path";
import { stacksOf } from "./stacks.ts";

const HERE = import.meta.dir;
/** How long a program may take until its disk is there: an emulated machine with neighbours takes seconds to start Bun. */
const START_MS = 240_000;

/** How a server program ended. */
export interface Ending {
  /** Its exit status; null when a signal ended it. */
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Milliseconds from the call of {@link Server.end} to the end. */
  readonly ms: number;
}

/** A program of this folder that serves a disk in a process of its own, and says `disk PATH` when it does. */
export class Server implements AsyncDisposable {
  readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  path = "";
  #stdout = "";
  #stderr = "";
  readonly #read: Promise<unknown>;

  private constructor(program: string, args: readonly string[], env: Record<string, string>, before: readonly string[]) {
    this.child = Bun.spawn([...before, process.execPath, join(HERE, program), ...args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, NO_COLOR: "1", ...env },
    });
    this.#read = Promise.all([
      this.#follow(this.child.stdout, (text) => {
        this.#stdout += text;
      }),
      this.#follow(this.child.stderr, (text) => {
        this.#stderr += text;
      }),
    ]);
  }

  /** Starts a program and waits for its disk. `before` are words in front of it, as of setpriv, that make it somebody's. */
  static async start(
    program: string,
    args: readonly string[] = [],
    env: Record<string, string> = {},
    before: readonly string[] = [],
  ): Promise<Server> {
    const server = new Server(program, args, env, before);
    try {
      await server.said(/^disk (\S+)$/m, START_MS);
    } catch (error) {
      await server[Symbol.asyncDispose](); // or it is found by every test after this one
      throw error;
    }
    server.path = /^disk (\S+)$/m.exec(server.stdout)![1]!;
    return server;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Waits until its output matches. */
  async said(what: RegExp, limitMs = 10_000): Promise<void> {
    const until = performance.now() + limitMs;
    while (!what.test(this.#stdout)) {
      if (performance.now() > until || this.child.exitCode !== null || this.child.signalCode !== null) {
        await Bun.sleep(50);
        if (what.test(this.#stdout)) return;
        throw new Error(
          `the server (status ${this.child.exitCode} ${this.child.signalCode ?? ""}) did not say ${what}: ${this.#stdout}\n${this.#stderr}`,
        );
      }
      await Bun.sleep(5);
    }
  }

  /** Waits for its end; throws when it is still there at the limit. */
  async end(limitMs = 60_000): Promise<Ending> {
    const start = performance.now();
    const timer = new Promise<"late">((resolve) => setTimeout(resolve, limitMs, "late"));
    if ((await Promise.race([this.child.exited, timer])) === "late") {
      const { stdout, stderr } = this;
      const stacks = stacksOf(this.child.pid);
      this.child.kill("SIGKILL");
      throw new Error(`the server is still there after ${limitMs} ms: ${stdout}\n${stderr}\n${stacks}`);
    }
    const ms = performance.now() - start;
    await this.#read;
    const { exitCode, signalCode } = this.child;
    return {
      status: signalCode === null ? exitCode : null,
      signal: signalCode === null ? null : String(signalCode),
      stdout: this.stdout,
      stderr: this.stderr,
      ms,
    };
  }

  /** Kills it, if it is still there. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
    await Promise.race([this.child.exited, Bun.sleep(5_000)]);
  }

  async #follow(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) take(decoder.decode(chunk, { stream: true }));
  }
}
