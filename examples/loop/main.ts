/** A file or block device as a disk. */
import { type LoopBacking, loop } from "uring-ublk/targets";
import { main, SERVING_HELP, serveBundled } from "../command-line.ts";

const help = `Serves a file or a block device as a disk. It is locked meanwhile.

  bun examples/loop/main.ts PATH [OPTIONS]

  --create SIZE      make the file, without contents, if there is none
  --read-only        clients may only read
  --direct yes|no|auto   past the page cache (O_DIRECT); default auto: where it works
  --block-size SIZE  logical block (default: the device's own, 512 for files)
${SERVING_HELP}`;

function describe({ path, kind, direct, buffered }: LoopBacking): void {
  console.error(`loop: the ${kind} ${path}, ${direct ? "with O_DIRECT" : `through the page cache (${buffered})`}`);
}

await main({
  name: "loop",
  help,
  word: ["PATH", "the file or block device to serve"],
  options: { create: "size", readOnly: "flag", direct: { yes: true, no: false, auto: "auto" }, blockSize: "size" },
  start: (line) => serveBundled(loop, { path: line.word, ...line.own, ...(line.quiet ? {} : { opened: describe }) }, line),
});
