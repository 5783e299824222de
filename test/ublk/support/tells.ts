/** Deletes a device (`delete N`), or tries to serve a disk within half a second and tells how that went (`serve`). */
import { serve } from "uring-ublk";
import { UblkControl } from "uring-ublk/ublk";

const [what, id] = process.argv.slice(2);
if (what === "delete") {
  await using control = await UblkControl.open({ timeoutMs: 600_000 });
  await control.deleteDevice(Number(id));
} else {
  const error = await serve({ size: 4096, read: () => {} }, { timeoutMs: 500 }).catch((error: Error) => error);
  console.log(`served: ${error}`);
}
