import { fileURLToPath } from "node:url";
import { tracing } from "../uring/index.ts";
import { TIMER_MAX } from "./limits.ts";

/** The child's program: beside this module in the sources, an entry of its own in the built package. */
const PROGRAM = import.meta.url.endsWith(".ts") ? new URL("./stopper.ts", import.meta.url) : new URL("./ublk-stopper.js", import.meta.url);
/** How long the child may take until it sends its command. */
const CHILD_START_MS = 60_000;

/** What starts the child. In an executable made by `bun build --compile` there is no program for it to run but the executable itself. */
let command: readonly string[] = import.meta.url.includes("$bunfs") ? [] : [process.execPath, fileURLToPath(PROGRAM)];

/** Whether a child process can be had. */
export let hasOutside: boolean = command.length > 0;

/** Says what starts the child, in an executable that can be told by words to do what stopper.ts does. */
export function startOutsideWith(words: readonly string[]): void {
  command = words;
  hasOutside = words.length > 0;
}

/** What a device's command is sent with by a child process. */
export interface OutsideOptions {
  /** Words behind the device's number: see stopper.ts. */
  readonly args?: readonly string[];
  /** Descriptors that the child gets, from 3 on. */
  readonly fds?: readonly number[];
  /** How long the command may take once it is sent. */
  readonly limitMs?: number;
}

/** How a child process fared with a command. */
export interface OutsideAnswer {
  /** Its exit status; undefined when it had not ended at the limit. It is left behind then, and ends when its command does. */
  readonly status: number | undefined;
  /** What the command answered, where stopper.ts tells: its result, or a negative errno. */
  readonly result: number;
  /** What the child says of its error. */
  readonly complaint: string;
}

// Not in our process group: a Ctrl-C is meant for the server, which has sent for the child.
const start = <E extends "inherit" | "pipe" | "ignore", O extends "pipe" | "ignore">(
  args: readonly string[],
  stdio: ["ignore", O, E, ...number[]],
): Bun.Subprocess<"ignore", O, E> => Bun.spawn([...command, ...args], { stdio, detached: true }) as Bun.Subprocess<"ignore", O, E>;

/**
 * Has a child process send a device's command that a server must not send itself: one that sleeps until requests are answered, where no signal
 * reaches it. A process cannot end before its commands have: killed meanwhile, the server's end would wait for requests that only its end
 * could fail, for ever.
 */
export async function sendFromOutside(
  id: number,
  { args = [], fds = [], limitMs = TIMER_MAX }: OutsideOptions = {},
): Promise<OutsideAnswer> {
  // What it says on stderr is its error, or the trace's part.
  const child = start([String(id), ...args], ["ignore", "pipe", tracing() ? ("inherit" as const) : ("pipe" as const), ...fds]);
  const { status, said } = await exitWithin(child, limitMs);
  if (status === undefined) {
    child.kill("SIGKILL"); // it ends when the requests do
    child.unref();
  }
  const complaint = status === undefined || child.stderr == null ? "" : (await new Response(child.stderr).text()).trim();
  return { status, result: Number.parseInt(said.split("\n")[1] ?? "", 10), complaint };
}

// The limit counts from when the child sends the command, which it says: many children at once start slowly on a busy machine.
async function exitWithin(
  child: Bun.Subprocess<"ignore", "pipe", "inherit" | "pipe">,
  limitMs: number,
): Promise<{ status: number | undefined; said: string }> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timers = [setTimeout(resolve, Math.min(CHILD_START_MS + limitMs, TIMER_MAX), undefined)];
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let said = "";
  const read = async (): Promise<void> => {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      if (said === "" && timers.length > 0) timers.push(setTimeout(resolve, limitMs, undefined));
      said += decoder.decode(chunk.value, { stream: true });
    }
  };
  const told = read().catch(() => {});
  const status = await Promise.race([child.exited, late]);
  if (status !== undefined) await told;
  for (const timer of timers.splice(0)) clearTimeout(timer);
  reader.cancel().catch(() => {}); // a child that does not end must not hold this process
  return { status, said };
}

/** The same from a child that nobody waits for. Answers whether there is one. */
export function leaveOutside(id: number, args: readonly string[] = []): boolean {
  if (!hasOutside) return false;
  start([String(id), ...args], ["ignore", "ignore", "ignore"]).unref();
  return true;
}
