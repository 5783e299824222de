/** A disk in memory. */
import { memory } from "uring-ublk/targets";
import { main, SERVING_HELP, serveBundled } from "../command-line.ts";

const help = `Serves a disk in this program's memory. What is never written takes none; everything is gone with the program.

  bun examples/memory/main.ts [OPTIONS]

  --size SIZE        capacity (default 1 GiB)
${SERVING_HELP}`;

await main({
  name: "memory",
  help,
  options: { size: "size" },
  start: (line) => serveBundled(memory, { size: 2 ** 30, ...line.own }, line),
});
