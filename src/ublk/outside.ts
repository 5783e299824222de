import { fileURLToPath } from "node:url";
import { tracing } from "../uring/index.ts";

/** The child's program: beside this module in the sources, an entry of its own in the built package. */
const PROGRAM = import.meta.url.endsWith(".ts") ? new URL("./stopper.ts", import.meta.url) : new URL("./ublk-stopper.js", import.meta.url);

/** Whether a child process can be had. In an executable made by `bun build --compile` there is no program for it to run. */
export const hasOutside = !import.meta.url.includes("$bunfs");

// Not in our process group: a Ctrl-C is meant for the server, which has sent for the child.
const start = <E extends "inherit" | "pipe" | "ignore", O extends "pipe" | "ignore">(
  args: readonly string[],
  stdio: ["ignore", O, E, ...number[]],
): Bun.Subprocess<"ignore", O, E> =>
  Bun.spawn([process.execPath, fileURLToPath(PROGRAM), ...args], { stdio, detached: true }) as Bun.Subprocess<"ignore", O, E>;

/**
 * A child process that sends a device's command for us, and tells on stdout what stopper.ts says it does. What it says on stderr is its
 * error, or the trace's part.
 */
export const fromOutside = (id: number, args: readonly string[] = [], fds: readonly number[] = []) =>
  start([String(id), ...args], ["ignore", "pipe", tracing() ? ("inherit" as const) : ("pipe" as const), ...fds]);

/** The same from a child that nobody waits for. Answers whether there is one. */
export function leaveOutside(id: number, args: readonly string[] = []): boolean {
  if (!hasOutside) return false;
  start([String(id), ...args], ["ignore", "ignore", "ignore"]).unref();
  return true;
}
