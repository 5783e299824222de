import { recover, type ServeOptions, type UblkDevice } from "../ublk/index.ts";
import { SERVING_OPTIONS } from "../ublk/serve-options.ts";
import { SECONDS } from "./commands.ts";
import { remove } from "./delete.ts";
import { look, openControl } from "./survey.ts";

/**
 * For a supervisor that starts a server once more: a disk that has the number already, is ours and has lost its server is served on, if it waits
 * for that, as it was made. What is dead is deleted. Anything else is left alone, and the number is taken.
 */
export async function servedAgain(url: URL, serving: ServeOptions<never>): Promise<UblkDevice | undefined> {
  const { id } = serving;
  if (id === undefined) return undefined;
  await using control = await openControl();
  const device = await look(control, id);
  if (device === undefined || !device.ours || device.alive) return undefined;
  if (device.state === "dead") {
    await remove(control, device, { seconds: SECONDS.del, later: false });
    return undefined;
  }
  const theirs = Object.entries(serving).filter(([name]) => (SERVING_OPTIONS as readonly string[]).includes(name));
  return await recover<never>(id, url, Object.fromEntries(theirs));
}
