import { UblkError } from "./error.ts";
import { type OutsideOptions, sendFromOutside } from "./outside.ts";

const ETIMEDOUT = -110;

/**
 * What a command answers that a child process sends for us. At the limit the child is left behind: its command may still be carried out.
 *
 * @throws UblkError what the kernel refuses it with, or ETIMEDOUT.
 */
export async function askOutside(command: string, id: number, options: OutsideOptions): Promise<number> {
  const { status, result, complaint } = await sendFromOutside(id, options);
  if (status === undefined)
    throw new UblkError({
      command,
      device: id,
      errno: ETIMEDOUT,
      hint: `it took longer than ${options.limitMs} ms; a target that does not answer its requests blocks it`,
    });
  if (Number.isNaN(result))
    throw new Error(
      `${command} of device ${id} could not be sent by a child process (status ${status})${complaint === "" ? "" : `: ${complaint}`}`,
    );
  if (result < 0) throw new UblkError({ command, device: id, errno: result });
  return result;
}
