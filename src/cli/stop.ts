import { UblkControl, UblkError } from "../ublk/index.ts";
import { STOP_WORD } from "./hidden-words.ts";
import { self } from "./self.ts";

const LONG_MS = 2 ** 31 - 1;
const ETIMEDOUT = -110;

/**
 * STOP_DEV, in a child process. It waits for requests that a hung server never answers, where no signal reaches it, and a process
 * cannot end before its commands have: the child is left behind then, and ends when the server does.
 */
export async function stopInChild(id: number, seconds: number): Promise<void> {
  const child = Bun.spawn(self(STOP_WORD, String(id)), {
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  let timer: Timer | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, seconds * 1000, undefined);
  });
  const status = await Promise.race([child.exited, limit]);
  clearTimeout(timer);
  if (status === undefined) {
    child.kill("SIGKILL");
    child.unref();
    throw new UblkError({ command: "STOP_DEV", device: id, errno: ETIMEDOUT });
  }
  if (status !== 0) throw new Error((await new Response(child.stderr).text()).trim());
}

/** What the child does. */
export async function stop(id: number): Promise<void> {
  await using control = await UblkControl.open({ timeoutMs: LONG_MS });
  try {
    await control.stopDevice(id);
  } catch (error) {
    // The server may have been quicker.
    if (!(error instanceof UblkError) || error.code !== "ENODEV") throw error;
  }
}
