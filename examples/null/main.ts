/** A disk without contents, for measuring the path to it. */
import { nullDisk } from "uring-ublk/targets";
import { main, SERVING_HELP, serveBundled } from "../command-line.ts";

const help = `Serves a disk without contents: writes vanish, and what reads return is undefined. For measuring.

  bun examples/null/main.ts [OPTIONS]

  --size SIZE        capacity (default 250 GiB)
${SERVING_HELP}`;

await main({
  name: "null",
  help,
  options: { size: "size" },
  start: (line) => serveBundled(nullDisk, line.own, line),
});
