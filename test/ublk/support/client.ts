/** A step of the client program. */
export type Step =
  | { do: "read"; offset: number; length: number }
  | { do: "write"; offset: number; length: number; fill: number; fua?: boolean }
  | { do: "discard"; offset: number; length: number }
  | { do: "zero"; offset: number; length: number; punch?: boolean }
  | { do: "flush" | "size" | "block-size" | "read-only" };

/** What a step answered: bytes, or the code of its error. */
export interface Result {
  bytes?: number;
  code?: string;
  hash?: string;
  first?: number;
  last?: number;
}

/** What a client is asked: it opens the device, takes the steps, and closes it. */
export interface Task {
  path: string;
  steps: Step[];
  access: "read-write" | "read-only";
}

/** What it answers: a result for each step, or why it could not take them. */
export type Answer = { results: Result[] } | { error: string };

const PROGRAM = new URL("./client-program.ts", import.meta.url).pathname;
const LIMIT_MS = 60_000;

/** A process that is a client, again and again: starting one takes seconds in an emulated machine. It ends with this process. */
class Client {
  readonly #child: Bun.Subprocess<"ignore", "inherit", "inherit">;
  #answered = Promise.withResolvers<Answer>();

  constructor() {
    this.#child = Bun.spawn([process.execPath, PROGRAM], {
      stdio: ["ignore", "inherit", "inherit"],
      ipc: (answer) => this.#answered.resolve(answer as Answer),
      onExit: (_, status, signal) => this.#answered.reject(new Error(`the client ended with ${status ?? `signal ${signal}`}`)),
    });
    this.#answered.promise.catch(() => {}); // it may end while nobody asks
    this.#child.unref();
  }

  get lives(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async ask(task: Task): Promise<Answer> {
    this.#answered = Promise.withResolvers<Answer>();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), LIMIT_MS);
    this.#child.ref();
    try {
      this.#child.send(task);
      return await this.#answered.promise;
    } finally {
      clearTimeout(timer);
      this.#child.unref();
    }
  }
}

const idle: Client[] = [];

/** Takes steps on a block device in another process, with O_DIRECT. */
export async function client(path: string, steps: Step[], access: Task["access"] = "read-write"): Promise<Result[]> {
  let one = idle.pop();
  if (one === undefined || !one.lives) one = new Client();
  const answer = await one.ask({ path, steps, access });
  idle.push(one);
  if ("error" in answer) throw new Error(`the client failed: ${answer.error}`);
  return answer.results;
}
