/**
 * Serves death-target.ts in two Workers (QUEUES and THREADS of the environment say otherwise), as any program would: it awaits `finished`, whose rejection ends it. With `exit-here` it serves
 * on its own thread, and exits.
 */
import { serve } from "uring-ublk";
import type { WorkerThread } from "../../../src/ublk/worker-thread.ts";

const [grief = "none", after = "", synchronous = ""] = process.argv.slice(2);
const reached = new SharedArrayBuffer(4);
let requests = 0;
const exitUnderLoad = (): void => {
  if (++requests === 400) setTimeout(() => process.exit(7), Number(after)); // after the partition scan, and with fio at work
};
const serving = { depth: 32, maxIo: 65536, timeoutMs: 15_000 };
const disk = await (grief === "exit-here"
  ? serve({ size: 16 * 2 ** 20, read: exitUnderLoad, write: exitUnderLoad, flush: () => {} }, serving)
  : serve(new URL("./death-target.ts", import.meta.url), {
      ...serving,
      queues: Number(process.env.QUEUES ?? 2),
      threads: Number(process.env.THREADS ?? 1),
      options: { grief, synchronous: synchronous !== "", reached },
    }));
disk.on("requesterror", () => {});
console.log(`disk ${disk.path}`);
const worker = (index: number): Worker => (disk.threads[index] as WorkerThread).worker;
if (after === "terminate") setTimeout(() => worker(0).terminate(), 1_000);
if (after === "terminate-all")
  setTimeout(() => {
    worker(0).terminate();
    worker(1).terminate();
  }, 1_000);
if (after === "stop") {
  while (Atomics.load(new Int32Array(reached), 0) === 0) await Bun.sleep(20);
  await Bun.sleep(300); // so that clients wait for it
  disk.stop({ grace: 300 }).catch(() => {});
}
await disk.finished;
console.log("finished without an error");
