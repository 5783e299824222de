import { askOutside } from "./ask-outside.ts";
import type { UblkControl } from "./control.ts";
import { hasOutside } from "./outside.ts";
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
  return await askOutside("REG_BUF", id, { args: ["register", String(len), String(readOnly)], fds: [fd] });
}

/** UNREG_BUF, in the same way. */
export async function unregisterOutside(control: UblkControl, id: number, index: number): Promise<void> {
  if (!hasOutside) await control.unregBuf(id, index, { timeoutMs: LONG_MS });
  else await askOutside("UNREG_BUF", id, { args: ["unregister", String(index)] });
}
