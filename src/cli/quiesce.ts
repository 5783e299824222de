import { askServer } from "./ask-server.ts";
import type { CommandLine } from "./command-line.ts";
import { SECONDS } from "./commands.ts";
import { jsonText, type Output } from "./output.ts";
import { served } from "./served.ts";

/** `uring-ublk quiesce`: the disk's server hands it over, to whoever recovers it. */
export async function quiesce(line: CommandLine, output: Output): Promise<number> {
  const id = line.ids[0]!;
  const pid = await served(
    id,
    `let it call disk.handOver(), or, with recovery 'reissue', end it: the disk waits for 'uring-ublk recover ${id}'`,
  );
  await askServer(id, pid, { ask: "hand-over" }, line.seconds(SECONDS.quiesce));
  if (line.json) output.data(jsonText({ id, quiesced: true }));
  output.message(`device ${id} is frozen, and its server has let it go: it waits until uring-ublk recover ${id} serves it again`);
  return 0;
}
