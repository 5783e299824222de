/**
 * Serves a disk as whoever runs it, with the options of the first word (JSON), and says `disk PATH` and its mode, or `refused: ERROR`. The second
 * word is the target: memory, or `slow` (slow-target.ts), a file's path, or what no user may have, `zoned` and `integrity`.
 */
import { serve, type UblkDevice, type UnprivilegedOptions } from "uring-ublk";
import { integrity, loop, memory, zoned } from "uring-ublk/targets";

const [, , json = "{}", kind = "memory"] = process.argv;
const options = JSON.parse(json) as UnprivilegedOptions<never>;

function begin(): Promise<UblkDevice> {
  switch (kind) {
    case "memory":
      return serve(memory({ size: "64 MiB" }), options);
    case "slow":
      return serve(new URL("./slow-target.ts", import.meta.url), options);
    case "zoned":
      return serve(zoned({ size: "64 MiB", zoneSize: "4 MiB" }), options);
    case "integrity":
      return serve(integrity({ path: `${process.env.HOME}/integrity.img`, create: "16 MiB" }), options);
    default:
      return serve(loop({ path: kind }), options);
  }
}

const disk = await begin().catch((error: Error) => void console.log(`refused: ${error.name}: ${error.message}`));
if (disk !== undefined) {
  console.log(`mode ${disk.mode}\ndisk ${disk.path}`);
  await disk.finished.catch((error: Error) => console.log(`failed: ${error.message}`));
}
