import type { UblkControl } from "./control.ts";
import { UblkError } from "./error.ts";
import { fromOutside, hasOutside, leaveOutside } from "./outside.ts";

const ETIMEDOUT = -110;
/** How long the child may take until it sends its command. */
const CHILD_START_MS = 60_000;

/**
 * STOP_DEV for a device that this very process serves, from a child process.
 *
 * STOP_DEV sleeps until every open request is answered, where no signal reaches it, and a process cannot end before its commands have.
 * Sent from here it would be a trap: kill this process meanwhile, and its end waits for requests that only its end could fail, for ever.
 */
export async function stopServed(control: UblkControl, id: number, limitMs: number): Promise<void> {
  if (!hasOutside) return await control.stopDevice(id, { timeoutMs: limitMs });
  const child = fromOutside(id);
  const status = await exitWithin(child, limitMs);
  if (status === 0) return;
  if (status === undefined) {
    child.kill("SIGKILL"); // it ends when the requests do
    child.unref();
    throw new UblkError({
      command: "STOP_DEV",
      device: id,
      errno: ETIMEDOUT,
      hint: `it took longer than ${limitMs} ms; a target that does not answer its requests blocks it`,
    });
  }
  const said = child.stderr == null ? "" : (await new Response(child.stderr).text()).trim();
  throw new Error(`STOP_DEV of device ${id} could not be sent by a child process (status ${status})${said === "" ? "" : `: ${said}`}`);
}

// The limit counts from when the child sends the command, which it says: many children at once start slowly on a busy machine.
async function exitWithin(child: Bun.Subprocess<"ignore", "pipe", "inherit" | "pipe">, limitMs: number): Promise<number | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timers = [setTimeout(resolve, CHILD_START_MS + limitMs, undefined)];
  const reader = child.stdout.getReader();
  reader.read().then(
    ({ done }) => {
      if (!done && timers.length > 0) timers.push(setTimeout(resolve, limitMs, undefined));
    },
    () => {},
  );
  const status = await Promise.race([child.exited, late]);
  for (const timer of timers.splice(0)) clearTimeout(timer);
  reader.cancel().catch(() => {}); // a child that does not end must not hold this process
  return status;
}

/** DEL_DEV from a child process, for a server that is ending: the command goes through when it is gone. Answers whether there is one. */
export function deleteFromOutside(id: number): boolean {
  return leaveOutside(id, ["delete"]);
}

/** STOP_DEV from a child process that nobody waits for, for a server that is exiting. Answers whether there is one. */
export function stopFromOutside(id: number): boolean {
  return leaveOutside(id);
}
