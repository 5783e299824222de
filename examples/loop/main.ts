/** A file or block device as a disk. */
import { type LoopBacking, type LoopOptions, loop } from "uring-ublk/targets";
import { main, SERVING_HELP, serveBundled, sizeOf, UsageError } from "../command-line.ts";

const help = `Serves a file or a block device as a disk. It is locked meanwhile.

  bun examples/loop/main.ts PATH [OPTIONS]

  --create SIZE      make the file, without contents, if there is none
  --read-only        clients may only read
  --direct yes|no|auto   past the page cache (O_DIRECT); default auto: where it works
  --block-size SIZE  logical block (default: the device's own, 512 for files)
${SERVING_HELP}`;

const DIRECT: Readonly<Record<string, LoopOptions["direct"]>> = { yes: true, no: false, auto: "auto" };

function describe({ path, kind, direct, buffered }: LoopBacking): void {
  console.error(`loop: the ${kind} ${path}, ${direct ? "with O_DIRECT" : `through the page cache (${buffered})`}`);
}

await main({
  name: "loop",
  help,
  words: 1,
  options: {
    create: { type: "string" },
    "read-only": { type: "boolean" },
    direct: { type: "string" },
    "block-size": { type: "string" },
  },
  start: async ({ values, words }) => {
    const [path] = words;
    if (path === undefined) throw new UsageError("PATH is missing: the file or block device to serve");
    const direct = (values.direct as string | undefined) ?? "auto";
    if (!Object.hasOwn(DIRECT, direct)) throw new UsageError(`--direct is '${direct}'; it must be yes, no or auto`);
    const [create, blockSize] = [sizeOf(values, "create"), sizeOf(values, "block-size")];
    const options: LoopOptions = {
      path,
      direct: DIRECT[direct],
      ...(create === undefined ? {} : { create }),
      ...(blockSize === undefined ? {} : { blockSize }),
      ...(values["read-only"] === true ? { readOnly: true } : {}),
      ...(values["quiet-ready"] === true ? {} : { opened: describe }),
    };
    return serveBundled(loop, options, values);
  },
});
