/**
 * Deletes a device (`delete N`), tries to serve a disk within half a second and tells how that went (`serve`), or serves one from a Worker
 * and tells whether that is an I/O flusher (`flusher`).
 */
import { serve } from "uring-ublk";
import { UblkControl } from "uring-ublk/ublk";
import { Count } from "./workers-target.ts";

const [what, id] = process.argv.slice(2);
if (what === "delete") {
  await using control = await UblkControl.open({ timeoutMs: 600_000 });
  await control.deleteDevice(Number(id));
} else if (what === "flusher") {
  const counters = new SharedArrayBuffer(256);
  await using disk = await serve(new URL("./workers-target.ts", import.meta.url), { options: { counters, url: "", background: true } });
  console.log(`${disk.state}, flusher: ${new Int32Array(counters)[Count.FLUSHER]}`);
} else {
  const error = await serve({ size: 4096, read: () => {} }, { timeoutMs: 500 }).catch((error: Error) => error);
  console.log(`served: ${error}`);
}
