import { fileURLToPath } from "node:url";
import { tracing } from "../uring/index.ts";
import type { UblkControl } from "./control.ts";
import { UblkError } from "./error.ts";
import type { SharedRegion } from "./shared-region.ts";
import { COMPILED, PROGRAM } from "./stop-device.ts";

const LONG_MS = 2 ** 31 - 1;

/**
 * REG_BUF for a device that this very process serves, from a child process that has mapped the same memory: the driver looks at pages, not
 * at who has them mapped. Answers the index.
 *
 * As STOP_DEV does, the command sleeps until every open request is answered, where no signal reaches it. Sent from here, it would keep
 * this process from ending when it is killed meanwhile, and its clients from their errors.
 */
export async function registerOutside(control: UblkControl, id: number, { arena, fd, readOnly }: SharedRegion): Promise<number> {
  const { address: addr, length: len } = arena;
  if (COMPILED) return await control.regBuf(id, { addr, len, readOnly }, { timeoutMs: LONG_MS });
  return await fromOutside("REG_BUF", id, ["register", String(len), String(readOnly)], [fd]);
}

/** UNREG_BUF, in the same way. */
export async function unregisterOutside(control: UblkControl, id: number, index: number): Promise<void> {
  if (COMPILED) await control.unregBuf(id, index, { timeoutMs: LONG_MS });
  else await fromOutside("UNREG_BUF", id, ["unregister", String(index)], []);
}

async function fromOutside(command: string, id: number, args: readonly string[], fds: readonly number[]): Promise<number> {
  // Not in our process group: a Ctrl-C is meant for the server.
  const child = Bun.spawn([process.execPath, fileURLToPath(PROGRAM), String(id), ...args], {
    stdio: ["ignore", "pipe", tracing() ? "inherit" : "pipe", ...fds],
    detached: true,
  });
  const said = async (stream: ReadableStream | undefined): Promise<string> => (stream == null ? "" : await new Response(stream).text());
  const [answer, complaint, status] = await Promise.all([said(child.stdout), said(child.stderr), child.exited]);
  const result = Number.parseInt(answer, 10);
  if (Number.isNaN(result))
    throw new Error(`${command} of device ${id} could not be sent by a child process (status ${status}): ${complaint.trim()}`);
  if (result < 0) throw new UblkError({ command, device: id, errno: result });
  return result;
}
