import { giveNodes } from "../ublk/give-nodes.ts";
import { UblkError } from "../ublk/index.ts";
import type { CommandLine } from "./command-line.ts";
import { jsonText, type Output } from "./output.ts";
import { noDevice, openControl } from "./survey.ts";

/** `uring-ublk chown-nodes`, as the udev rules of this package call it. */
export async function chownNodes(line: CommandLine, output: Output): Promise<number> {
  const [id] = line.ids as [number];
  await using control = await openControl();
  const { info, paths } = await giveNodes(control, id).catch((error: unknown) => {
    throw error instanceof UblkError && error.code === "ENODEV" ? new Error(noDevice(id)) : error;
  });
  const { ownerUid: uid, ownerGid: gid } = info;
  if (line.json) output.data(jsonText({ id, nodes: paths, owner: { uid, gid } }));
  output.message(
    paths.length === 0
      ? `device ${id} is a privileged one: its nodes are left alone`
      : `${paths.join(" and ")} ${paths.length > 1 ? "belong" : "belongs"} to user ${uid}, group ${gid}`,
  );
  return 0;
}
