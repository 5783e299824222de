import { existsSync, readFileSync } from "node:fs";
import { socketOf } from "./server-path.ts";

/** What a server can be asked. */
export type Question =
  | { readonly ask: "resize"; readonly size: number }
  | { readonly ask: "hand-over" }
  | { readonly ask: "stop"; readonly ifUnused: boolean }
  | { readonly ask: "ping" };

/** What it says. */
export type Answer = { readonly done: true } | { readonly error: string };

/** The server said no, or cannot be asked; the message says which. */
export class ServerError extends Error {}

/** Whether the server of a device listens to this program: `add` or `recover` has started it. */
export const listens = (id: number, pid: number): boolean => existsSync(socketOf(id, pid));

/**
 * Asks the server of a device, and waits until it has done what it was asked.
 *
 * @throws ServerError: it refuses, it has ended, or it does not answer within the limit. What it was asked may still come about then.
 */
export async function askServer(id: number, pid: number, question: Question, seconds: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let said = "";
  const timer = setTimeout(resolve, seconds * 1000, undefined);
  let socket: Bun.Socket | undefined;
  try {
    socket = await Bun.connect({
      unix: socketOf(id, pid),
      socket: {
        data: (_, bytes) => void (said += new TextDecoder().decode(bytes)),
        close: () => resolve(said),
        error: () => resolve(said),
      },
    }).catch(() => undefined);
    if (socket === undefined) throw new ServerError(`the server of device ${id}, process ${pid}, cannot be reached: it has just ended`);
    socket.write(`${JSON.stringify(question)}\n`);
    understand(await promise, { id, pid, seconds });
  } finally {
    clearTimeout(timer);
    socket?.terminate();
  }
}

function understand(said: string | undefined, { id, pid, seconds }: { id: number; pid: number; seconds: number }): void {
  if (said === undefined)
    throw new ServerError(`the server of device ${id}, process ${pid}, did not answer within ${seconds} s: ${stateOf(pid)}`);
  if (said === "") throw new ServerError(`the server of device ${id}, process ${pid}, ended before it had answered`);
  const answer = JSON.parse(said) as Answer;
  if ("error" in answer) throw new ServerError(answer.error);
}

function stateOf(pid: number): string {
  let status = "";
  try {
    status = readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "it has ended";
  }
  return /^State:\s+[Tt]/m.test(status) ? `it is stopped; kill -CONT ${pid} lets it go on` : "it is busy, or it hangs";
}
