/** Serves death-file-target.ts in a Worker, in a data mode, with or without batches, and comes to grief as it is told. */
import { type DataMode, serve } from "uring-ublk";
import type { WorkerThread } from "../../../src/ublk/worker-thread.ts";

const [path = "", grief = "none", mode = "copy", batch = ""] = process.argv.slice(2);
const reached = new SharedArrayBuffer(4);
const disk = await serve(new URL("./death-file-target.ts", import.meta.url), {
  depth: 32,
  maxIo: 65536,
  timeoutMs: 60_000,
  mode: mode as DataMode,
  batch: batch === "batch",
  options: { path, grief, reached },
});
disk.on("requesterror", () => {});
console.log(`disk ${disk.path}`);
const atWork = async (): Promise<void> => {
  while (Atomics.load(new Int32Array(reached), 0) === 0) await Bun.sleep(20);
  await Bun.sleep(300); // so that clients wait for it
};
if (grief === "terminate") void atWork().then(() => (disk.threads[0] as WorkerThread).worker.terminate());
if (grief === "spin") void atWork().then(() => disk.stop({ grace: 300 }).catch(() => {}));
await disk.finished;
console.log("finished without an error");
