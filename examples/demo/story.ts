/** Tells what is done while it is done, and undoes it in the end, whatever happened. */
export class Story {
  /** Aborts on Ctrl-C and the other signals that end a program. */
  readonly signal: AbortSignal;
  readonly #undo: (() => Promise<unknown>)[] = [];
  readonly #abort = new AbortController();

  constructor() {
    this.signal = this.#abort.signal;
    // With listeners of our own the library leaves the disk to us: it must not go while it is mounted.
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(name, () => this.#abort.abort(new Error(`ended by ${name}`)));
    }
  }

  /** One step: its headline at once, what came of it and how long it took behind it. */
  async step<T>(headline: string, work: () => Promise<T>, outcome?: (result: T) => string): Promise<T> {
    this.signal.throwIfAborted();
    process.stdout.write(`${`${headline} `.padEnd(58, ".")} `);
    const started = performance.now();
    try {
      const result = await work();
      const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
      process.stdout.write(`${seconds} s${outcome === undefined ? "" : `  ${outcome(result)}`}\n`);
      return result;
    } catch (error) {
      process.stdout.write("failed\n");
      throw error;
    }
  }

  /** Remembers how to undo something; the last is undone first. Answers a function that undoes it now instead. */
  later(undo: () => Promise<unknown>): () => Promise<void> {
    this.#undo.push(undo);
    return async () => {
      await undo();
      this.#undo.splice(this.#undo.indexOf(undo), 1);
    };
  }

  /** Undoes what is left. A failure is told, and does not keep the rest from being undone. */
  async end(): Promise<boolean> {
    let clean = true;
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        clean = false;
        console.error(`demo: cannot clean up: ${(error as Error).message}`);
      }
    }
    return clean;
  }

  /**
   * Runs a program and answers its output. A child process, always: something synchronous would stop this thread, which serves the
   * disk, and the program would wait for the disk for ever.
   */
  async run(command: readonly string[], options: { cwd?: string; undoing?: boolean } = {}): Promise<string> {
    const child = Bun.spawn([...command], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.undoing === true ? {} : { signal: this.signal }),
      env: { ...process.env, LC_ALL: "C" },
    });
    const [output, errors, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (options.undoing !== true) this.signal.throwIfAborted();
    if (status !== 0) throw new Error(`${command.join(" ")} ended with status ${status}: ${errors.trim() || output.trim()}`);
    return output;
  }
}
