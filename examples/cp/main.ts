/** A file copy with fixed buffers and several chunks in flight. */
import { parseArgs } from "node:util";
import { parseSize } from "uring-ublk";
import { UsageError } from "../command-line.ts";
import { CopyError, copyFile } from "./copy.ts";
import { Progress } from "./progress.ts";

const help = `Copies a file: several chunks in flight, each in a fixed buffer of the ring. The copy appears under its name when it is complete.

  bun examples/cp/main.ts SOURCE DESTINATION [OPTIONS]

  --chunk SIZE   bytes per read and write, a multiple of 4k (default 256k)
  --depth N      chunks in flight, 1 to 256 (default 8)
  --direct       past the page cache (O_DIRECT), for both files
  --sync         wait until the copy is on the disk
  --progress     tell on stderr how far it is; the default on a terminal
  --help

Ctrl-C stops it and leaves nothing behind.
`;

const BLOCK = 4096;
const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

/** Why the copy was stopped. */
class Interrupted extends Error {
  constructor(readonly status: number) {
    super("interrupted");
  }
}

function chunkOf(text: string): number {
  let chunk: number;
  try {
    chunk = parseSize(text, "--chunk");
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (chunk > 0 && chunk % BLOCK === 0 && chunk <= 2 ** 30) return chunk;
  throw new UsageError(`--chunk is '${text}'; it must be a multiple of 4k, up to 1 GiB`);
}

function depthOf(text: string): number {
  const depth = Number(text);
  if (/^\d+$/.test(text) && depth >= 1 && depth <= 256) return depth;
  throw new UsageError(`--depth is '${text}'; it must be a whole number from 1 to 256`);
}

async function copy(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      chunk: { type: "string", default: "256k" },
      depth: { type: "string", default: "8" },
      direct: { type: "boolean", default: false },
      sync: { type: "boolean", default: false },
      progress: { type: "boolean", default: process.stderr.isTTY === true },
      help: { type: "boolean", short: "h", default: false },
    },
    allowPositionals: true,
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const [source, destination, surplus] = positionals;
  if (source === undefined || destination === undefined) throw new UsageError("SOURCE and DESTINATION are needed");
  if (surplus !== undefined) throw new UsageError(`unexpected argument '${surplus}'`);
  const [chunk, depth] = [chunkOf(values.chunk), depthOf(values.depth)];

  const controller = new AbortController();
  for (const [name, number] of Object.entries(SIGNALS)) process.on(name, () => controller.abort(new Interrupted(128 + number)));
  const progress = new Progress(values.progress);
  try {
    await copyFile(source, destination, {
      chunk,
      depth,
      direct: values.direct,
      sync: values.sync,
      signal: controller.signal,
      onProgress: (done, total) => progress.update(done, total),
    });
  } finally {
    progress.end();
  }
  return 0;
}

try {
  process.exitCode = await copy();
} catch (error) {
  const usage = error instanceof UsageError || (error as { code?: unknown }).code?.toString().startsWith("ERR_PARSE_ARGS") === true;
  if (error instanceof Interrupted) process.exitCode = error.status;
  else if (!usage && !(error instanceof CopyError))
    throw error; // a bug, and not the user's
  else {
    console.error(`cp: ${(error as Error).message}${usage ? "\nTry: bun examples/cp/main.ts --help" : ""}`);
    process.exitCode = usage ? 2 : 1;
  }
}
