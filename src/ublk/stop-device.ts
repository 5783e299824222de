import { askOutside } from "./ask-outside.ts";
import type { UblkControl } from "./control.ts";
import { UblkError } from "./error.ts";
import { hasOutside, leaveOutside } from "./outside.ts";

const ETIMEDOUT = -110;

/**
 * STOP_DEV for a device that this very process serves, from a child process.
 *
 * STOP_DEV sleeps until every open request is answered, where no signal reaches it, and a process cannot end before its commands have.
 * Sent from here it would be a trap: kill this process meanwhile, and its end waits for requests that only its end could fail, for ever.
 */
export async function stopServed(control: UblkControl, id: number, limitMs: number): Promise<void> {
  if (hasOutside) await askOutside("STOP_DEV", id, { limitMs });
  else await control.stopDevice(id, { timeoutMs: limitMs });
}

/** Why a device is not stopped in order whose thread would not answer its requests either. */
export function stuck(id: number, command = "stop"): UblkError {
  return new UblkError({
    command,
    device: id,
    errno: ETIMEDOUT,
    hint: "a serving thread is stuck in a handler and takes no commands",
  });
}

/** DEL_DEV from a child process, for a server that is ending: the command goes through when it is gone. Answers whether there is one. */
export function deleteFromOutside(id: number): boolean {
  return leaveOutside(id, ["delete"]);
}

/** STOP_DEV from a child process that nobody waits for, for a server that is exiting. Answers whether there is one. */
export function stopFromOutside(id: number): boolean {
  return leaveOutside(id);
}
