/** Serves a disk with closures or in Workers, and comes to its end in a given way. */
import { serve } from "uring-ublk";
import { held } from "./endings-target.ts";

const [how = "", where = "closures"] = process.argv.slice(2);
const NEVER = 3 * 2 ** 19; // a read of this place is not answered; udev looks at powers of two, and would wait for ever
if (how === "own listener") {
  process.on("SIGINT", async () => {
    console.log("mine");
    await disk.stop();
    process.exit(42);
  });
}
const disk = await (where === "workers"
  ? serve(new URL("./endings-target.ts", import.meta.url), { queues: 2, depth: 16, maxIo: 65536, options: { never: NEVER } })
  : serve(
      {
        size: 4 * 2 ** 20,
        read: (buffer, offset) => (offset === NEVER ? held() : void buffer.fill(5)),
        write: () => {},
      },
      { depth: 16, maxIo: 65536 },
    ));
console.log(`disk ${disk.path}`);
await Bun.sleep(500); // what looks at new disks has looked
console.log("ready");

switch (how) {
  case "throw":
    throw new Error("ending: thrown at the top");
  case "throw in a timer":
    setTimeout(() => {
      throw new Error("ending: thrown in a timer");
    }, 10);
    break;
  case "rejected await":
    await Promise.reject(new Error("ending: rejected at the top"));
    break;
  case "floating rejection":
    void Promise.reject(new Error("ending: floating"));
    break;
  case "exit":
    process.exit(0);
    break;
  case "exit in a timer":
    setTimeout(() => process.exit(0), 10);
    break;
  case "exit with an open request":
    process.on("SIGUSR2", () => process.exit(0));
}
