import type { BenchContext } from "./harness.ts";
import type { LoopCost } from "./loop.ts";

/** A process that measures a loop of its own, warmed up: every line it reads is the milliseconds of a run. */
export class LoopProgram implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: AsyncIterator<string>;
  readonly #script: string;

  private constructor(script: string, args: readonly string[]) {
    this.#script = script;
    const command = [process.execPath, script, ...args];
    this.#child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    this.#lines = linesOf(this.#child.stdout);
  }

  /** Starts it, with the milliseconds of its warm-up before its other arguments. */
  static async start(context: BenchContext, script: string, args: readonly string[]): Promise<LoopProgram> {
    const program = new LoopProgram(script, [String(context.warmUpMilliseconds), ...args]);
    await program.#line(); // "warm"
    return program;
  }

  async run(milliseconds: number): Promise<LoopCost> {
    this.#child.stdin.write(`${milliseconds}\n`);
    await this.#child.stdin.flush();
    return JSON.parse(await this.#line()) as LoopCost;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.end();
    await this.#child.exited;
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#script} ended early`);
    return value;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    yield* lines;
  }
}
