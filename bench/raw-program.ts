import { type BenchContext, floorNumbers, interleave, type Row, row } from "./harness.ts";
import { type LoopCost, settled } from "./loop.ts";

/** A process of bench/raw-loop.ts, warmed up. */
class RawProgram implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: AsyncIterator<string>;

  private constructor(args: readonly string[]) {
    const command = [process.execPath, "bench/raw-loop.ts", ...args];
    this.#child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    this.#lines = linesOf(this.#child.stdout);
  }

  static async start(context: BenchContext, args: readonly string[]): Promise<RawProgram> {
    const program = new RawProgram([String(context.warmUpMilliseconds), ...args]);
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
    if (done) throw new Error("bench/raw-loop.ts ended early");
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

interface Comparison {
  readonly name: string;
  /** Arguments of bench/raw-loop.ts. */
  readonly ours: readonly string[];
  /** The C program and its arguments. */
  readonly floor: readonly string[];
  readonly floorName: string;
}

/** Measures a raw loop against a C program, in turn. */
export async function compareRaw(context: BenchContext, { name, ours, floor, floorName }: Comparison): Promise<Row> {
  const { milliseconds, environment } = context;
  await using program = await RawProgram.start(context, ours);
  const runs = await interleave(context.runs, {
    ours: async () => settled(context, name, await program.run(milliseconds)),
    floor: async () => (await floorNumbers([...floor, "--ms", String(milliseconds)], "cpuNsPerOp")).cpuNsPerOp,
  });
  return row({ name, unit: "CPU ns/op", floorName, ...runs, environment });
}
