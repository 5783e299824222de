/** Plans at work: what they move is checked byte by byte. */
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Fd, Ring } from "uring-ublk";
import { UsageError } from "../command-line.ts";
import { type Extent, gathered } from "./gather.ts";
import { mirrorWrite } from "./mirror.ts";
import { multiCopy } from "./multi-copy.ts";
import { parityOf, stripeParity } from "./parity.ts";
import { beginningOf } from "./read-file.ts";

const help = `Plans at work, in a folder of their own that is removed afterwards.

  bun examples/plans/main.ts [--bytes N]

  --bytes N   how much each of them moves (default 1000000)
  --help

  multi-copy  read once, write to three files                   group(read, [write, write, write])
  mirror      write and sync on two files                       all(chain(write, fsync), chain(write, fsync))
  gather      parts of three files, one vectored write          chain(all(read, read, read), writev)
  parity      three files to two: N to M                        group(all(read, read, read), [write, write])
  sequence    open, read, close in any case                     chain(openat, step(fd => chain(read, close.always())))
`;

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "uring-ublk-plans-"));

  /** A file with the given content, open for both. */
  file(name: string, content: Uint8Array = new Uint8Array(0)): Fd {
    writeFileSync(join(this.path, name), content);
    return openSync(join(this.path, name), "r+");
  }

  content(name: string): Uint8Array {
    return new Uint8Array(readFileSync(join(this.path, name)));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

function same(what: string, got: Uint8Array, wanted: Uint8Array): void {
  if (Buffer.compare(got, wanted) !== 0) throw new Error(`${what}: ${got.length} bytes are not the ${wanted.length} that they should be`);
}

/** Bytes that differ from file to file. */
const bytesOf = (length: number, seed: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(length).map((_, i) => (i * 7 + (i >> 8) * seed) & 0xff);

async function run(bytes: number): Promise<void> {
  using folder = new Folder();
  await using ring = await Ring.open({ entries: 32 });
  const sources = [1, 2, 3].map((seed) => bytesOf(bytes, seed));
  const files = sources.map((content, i) => folder.file(`source-${i}`, content));

  const copied = await multiCopy(ring, files[0]!, [folder.file("copy-0"), folder.file("copy-1"), folder.file("copy-2")]);
  for (const name of ["copy-0", "copy-1", "copy-2"]) same(name, folder.content(name), sources[0]!);
  console.log(`multi-copy: ${copied} bytes read once, written to 3 files`);

  const written = await mirrorWrite(ring, [folder.file("mirror-0"), folder.file("mirror-1")], sources[1]!, 0);
  for (const name of ["mirror-0", "mirror-1"]) same(name, folder.content(name), sources[1]!);
  console.log(`mirror: ${bytes} bytes on ${written.length} of 2 files`);

  const half = bytes >> 1;
  const extents: Extent[] = files.map((fd) => ({ fd, offset: bytes - half, length: half }));
  const [, moved] = await ring.run(gathered(extents, folder.file("gathered"), 0));
  same("gathered", folder.content("gathered"), Buffer.concat(sources.map((source) => source.subarray(bytes - half))));
  console.log(`gather: ${moved} bytes of 3 files in one write`);

  await ring.run(stripeParity(files, [folder.file("parity-0"), folder.file("parity-1")], 0, bytes));
  for (const name of ["parity-0", "parity-1"]) same(name, folder.content(name), parityOf(sources));
  console.log(`parity: ${bytes} bytes of 3 files summed up in 2`);

  const buffer = new Uint8Array(Math.min(bytes, 16));
  const [, [length]] = await ring.run(beginningOf(join(folder.path, "source-2"), buffer));
  same("sequence", buffer, sources[2]!.subarray(0, buffer.length));
  console.log(`sequence: ${length} bytes, opened, read and closed`);
}

try {
  const { values } = parseArgs({ options: { bytes: { type: "string", default: "1000000" }, help: { type: "boolean" } } });
  const bytes = Number(values.bytes);
  if (!Number.isInteger(bytes) || bytes < 2 || bytes > 2 ** 28)
    throw new UsageError(`--bytes is '${values.bytes}'; it must be an integer from 2 to 2^28`);
  if (values.help) console.log(help);
  else await run(bytes);
} catch (error) {
  console.error(
    error instanceof UsageError || (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS")
      ? `${(error as Error).message}\n\n${help}`
      : error,
  );
  process.exitCode = 2;
}
