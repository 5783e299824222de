/** Serves a disk under a given id as soon as a file is there, until it is told to stop; says `disk PATH`, or `refused CODE`. */
import { existsSync } from "node:fs";
import { serve, UblkError } from "uring-ublk";

const [id = "0", gate = ""] = process.argv.slice(2);
console.log("waiting");
while (!existsSync(gate)) await Bun.sleep(1);
const disk = await serve({ size: 2 ** 20, read: (buffer) => void buffer.fill(0) }, { id: Number(id), depth: 4, maxIo: 65536 }).catch(
  (error: unknown) => {
    if (!(error instanceof UblkError)) throw error;
    console.log(`refused ${error.command} ${error.code}`);
  },
);
if (disk !== undefined) {
  console.log(`disk ${disk.path}`);
  await disk.finished;
}
