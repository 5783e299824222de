import { askServer } from "./ask-server.ts";
import type { CommandLine } from "./command-line.ts";
import { SECONDS } from "./commands.ts";
import { sizeFrom } from "./option.ts";
import { jsonText, type Output, sizeText } from "./output.ts";
import { served } from "./served.ts";

/** `uring-ublk resize`: the disk's server asks its target, and gives the disk its new size. */
export async function resize(line: CommandLine, output: Output): Promise<number> {
  const id = line.ids[0]!;
  const word = line.words[1]!;
  const size = sizeFrom(word);
  const pid = await served(id, `let it call disk.resize(${JSON.stringify(word)})`);
  await askServer(id, pid, { ask: "resize", size }, line.seconds(SECONDS.resize));
  if (line.json) output.data(jsonText({ id, size }));
  output.message(`device ${id} has ${sizeText(size)} now`);
  return 0;
}
