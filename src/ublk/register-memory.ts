import type { UblkControl } from "./control.ts";
import { UblkError } from "./error.ts";
import { fromOutside, hasOutside } from "./outside.ts";
import type { SharedRegion } from "./shared-region.ts";

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
  if (!hasOutside) return await control.regBuf(id, { addr, len, readOnly }, { timeoutMs: LONG_MS });
  return await answerOf("REG_BUF", id, ["register", String(len), String(readOnly)], [fd]);
}

/** UNREG_BUF, in the same way. */
export async function unregisterOutside(control: UblkControl, id: number, index: number): Promise<void> {
  if (!hasOutside) await control.unregBuf(id, index, { timeoutMs: LONG_MS });
  else await answerOf("UNREG_BUF", id, ["unregister", String(index)], []);
}

async function answerOf(command: string, id: number, args: readonly string[], fds: readonly number[]): Promise<number> {
  const child = fromOutside(id, args, fds);
  const said = async (stream: ReadableStream | undefined): Promise<string> => (stream == null ? "" : await new Response(stream).text());
  const [answer, complaint, status] = await Promise.all([said(child.stdout), said(child.stderr), child.exited]);
  const result = Number.parseInt(answer, 10);
  if (Number.isNaN(result))
    throw new Error(`${command} of device ${id} could not be sent by a child process (status ${status}): ${complaint.trim()}`);
  if (result < 0) throw new UblkError({ command, device: id, errno: result });
  return result;
}
