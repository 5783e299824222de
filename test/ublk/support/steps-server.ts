/** Serves a disk under load and stops it; killed on the way as steps.ts is told. Ends with the number of steps there were: in the main thread, in a Worker. */
import { serve } from "uring-ublk";
import { count, steps } from "./steps.ts";

const [where = "closures"] = process.argv.slice(2);
const { spawn } = Bun;
const told = new SharedArrayBuffer(4);
count();
const serving = { depth: 4, maxIo: 65536 };
const disk = await (where === "workers"
  ? serve(new URL("./steps-target.ts", import.meta.url), { ...serving, options: told })
  : serve({ size: 2 ** 20, read: (buffer) => void buffer.fill(0), write: () => {}, flush: () => {} }, serving));
// It ends with its first error: when the disk is gone.
const load = 'while dd if=/dev/zero of="$0" bs=4k count=200 oflag=direct conv=notrunc,nocreat 2>/dev/null; do :; done';
const client = spawn(["sh", "-c", load, disk.path], { stdio: ["ignore", "ignore", "ignore"] });
client.unref();
await Bun.sleep(100);
await disk.stop({ grace: 2_000 });
console.log(JSON.stringify({ main: steps, worker: new Int32Array(told)[0] }));
process.exit(0);
