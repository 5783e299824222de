// usual kernels: none
// file timeout: 900 s
/** The striped disk: every byte is where its chunk belongs, whatever asks for it and however much at once. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serve } from "uring-ublk";
import { stripe } from "uring-ublk/targets";
import { failure, fileSystemRoundTrip, sh, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, isRoot, requires, ublkTest } from "../support/requires.ts";
import { client } from "../ublk/support/client.ts";
import { devices, stuckProcesses } from "../ublk/support/machine.ts";
import { LARGE, noise, ROWS, serveThere, testIn, verified } from "./support/several.ts";

setDefaultTimeout(120_000); // an emulated machine, and neighbours
const KIB = 1024;
const MIB = 2 ** 20;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

const namesIn = (directory: string, files: number): string[] => Array.from({ length: files }, (_, i) => join(directory, `file-${i}`));

/** The disk that files make: chunk after chunk, from one file after the other. */
function assembled(paths: readonly string[], chunk: number): Buffer {
  const files = paths.map((path) => readFileSync(path));
  const rows = Math.floor(Math.min(...files.map(({ length }) => length)) / chunk);
  const chunks: Buffer[] = [];
  for (let row = 0; row < rows; row++) for (const file of files) chunks.push(file.subarray(row * chunk, (row + 1) * chunk));
  return Buffer.concat(chunks);
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** In the usual run one of the rows. */
const USUAL = ["auto-buf-reg two Workers"];

for (const [i, [mode, where]] of ROWS.entries()) {
  const files = 2 + (i % 3);
  const chunk = [4 * KIB, 64 * KIB, 16 * KIB][i % 3]!;

  testIn(mode, USUAL.includes(`${mode} ${where}`))(
    `${files} files in chunks of ${chunk / KIB} KiB, ${mode}, ${where}: fio finds what it wrote, and each chunk is in its file`,
    async () => {
      await using directory = await workDirectory(i % 2 === 0 ? "/dev/shm" : undefined);
      const paths = namesIn(directory.path, files);
      await using disk = await serveThere(stripe, { paths, create: 4 * MIB, chunk }, where, { mode, depth: 32, maxIo: "1 MiB" });
      expect(disk.mode).toBe(mode);
      expect(disk.params).toMatchObject({ size: files * 4 * MIB, ioMin: chunk });
      await sh(LARGE, disk.path);
      expect(await verified(disk.path, "3m", "1m")).toBe(true);
      await sh(`dd if="$1" of="$2/disk" bs=1M iflag=direct status=none`, disk.path, directory.path);
      await disk.stop();
      const disks = readFileSync(join(directory.path, "disk"));
      expect(disks.length).toBe(files * 4 * MIB);
      expect(same(disks, assembled(paths, chunk))).toBe(true);
    },
  );

  if (where !== "the calling thread") continue;
  testIn(mode, mode === "zero-copy")(
    `requests across chunks up to 1 MiB, ${mode}: each byte goes where it belongs, and comes back`,
    async () => {
      await using directory = await workDirectory("/dev/shm");
      const paths = namesIn(directory.path, 3);
      for (const path of paths) writeFileSync(path, noise(2 * MIB));
      const image = assembled(paths, 4096);
      await using disk = await serve(stripe({ paths, chunk: "4k" }), { mode, depth: 8, maxIo: "1 MiB" });
      await sh(LARGE, disk.path);
      const ranges = [
        [0, 3 * 4096],
        [4096 - 512, 1024],
        [3 * 4096 - 512, 512],
        [5 * 4096 + 1024, 7 * 4096],
        [512, MIB],
        [6 * MIB - MIB, MIB],
        [2 * MIB + 2560, 40_448],
      ] as const;
      const reads = await client(
        disk.path,
        ranges.map(([offset, length]) => ({ do: "read", offset, length })),
      );
      expect(reads.map(({ hash }) => hash)).toEqual(
        ranges.map(([offset, length]) => Bun.hash(image.subarray(offset, offset + length)).toString(16)),
      );
      for (const [n, [offset, length]] of ranges.entries()) {
        const data = noise(length);
        data.copy(image, offset);
        writeFileSync(join(directory.path, "data"), data);
        const flags = n % 2 === 0 ? "direct,seek_bytes" : "direct,dsync,seek_bytes";
        await sh(`dd if="$2/data" of="$1" bs=$3 seek=$4 oflag=$5 status=none`, disk.path, directory.path, length, offset, flags);
        expect(same(assembled(paths, 4096), image)).toBe(true);
      }
    },
  );
}

ublkTest(false)("a request of more chunks than one operation takes goes to its files all the same", async () => {
  await using directory = await workDirectory("/dev/shm");
  const paths = namesIn(directory.path, 2);
  await using disk = await serve(stripe({ paths, create: 16 * MIB, chunk: 4096 }), { maxIo: "16 MiB", depth: 2 });
  await sh(LARGE, disk.path);
  writeFileSync(join(directory.path, "data"), noise(16 * MIB));
  await sh(`dd if="$2/data" of="$1" bs=16M seek=1 oflag=direct status=none`, disk.path, directory.path);
  const [, , , , writes, , sectors] = (await sh(`cat /sys/block/$(basename "$1")/stat`, disk.path)).split(/\s+/).map(Number);
  expect(sectors! / writes!).toBeGreaterThan(2 * 1024 * 8); // of such chunks there were more than 1024 a file
  await sh(`dd if="$1" of="$2/read" bs=16M skip=1 count=1 iflag=direct status=none; cmp "$2/data" "$2/read"`, disk.path, directory.path);
  await disk.stop();
  expect(same(assembled(paths, 4096).subarray(16 * MIB), readFileSync(join(directory.path, "data")))).toBe(true);
});

for (const where of ["the calling thread", "two Workers"] as const) {
  ublkTest(false)(`ext4 lives on a stripe of 4 files, ${where}`, async () => {
    await using directory = await workDirectory();
    const paths = namesIn(directory.path, 4);
    await using disk = await serveThere(stripe, { paths, create: 16 * MIB }, where, {});
    expect(disk.params).toMatchObject({ ioMin: 64 * KIB, ioOpt: 256 * KIB });
    const { read, expected } = await fileSystemRoundTrip(disk.path, "ext4");
    expect(read).toBe(expected);
    await disk.stop();
    writeFileSync(join(directory.path, "disk"), assembled(paths, 64 * KIB));
    await sh(`e2fsck -fn "$1/disk"`, directory.path);
  });
}

for (const [base, what] of [
  [undefined, "a file system that zeroes ranges"],
  ["/dev/shm", "tmpfs, where zeros are written"],
] as const) {
  ublkTest(base === undefined)(`discards and zeroing reach every file, and no byte beside, on ${what}`, async () => {
    await using directory = await workDirectory(base);
    const paths = namesIn(directory.path, 3);
    for (const path of paths) writeFileSync(path, noise(4 * MIB));
    const blocks = (): number => paths.reduce((sum, path) => sum + statSync(path).blocks * 512, 0);
    const image = assembled(paths, 64 * KIB);
    await using disk = await serve(stripe({ paths }));
    const check = (): void => expect(same(assembled(paths, 64 * KIB), image)).toBe(true);
    const full = blocks();
    await sh(`blkdiscard -o $2 -l $3 "$1"`, disk.path, 64 * KIB + 4096, 6 * MIB);
    image.fill(0, 64 * KIB + 4096, 6 * MIB + 64 * KIB + 4096);
    expect(blocks()).toBeLessThan(full - 5 * MIB);
    check();
    await sh(`blkdiscard -z -o $2 -l $3 "$1"`, disk.path, 7 * MIB + 512, 3 * MIB);
    image.fill(0, 7 * MIB + 512, 10 * MIB + 512);
    check();
    await sh(`fallocate -p -o $2 -l $3 "$1"`, disk.path, 11 * MIB - 4096, 8192);
    image.fill(0, 11 * MIB - 4096, 11 * MIB + 4096);
    check();
  });
}

for (const mode of ["copy", "auto-buf-reg"] as const) {
  testIn(mode, mode === "copy")(`a file that ends too early fails what is there, and nothing else, ${mode}`, async () => {
    await using directory = await workDirectory("/dev/shm");
    const paths = namesIn(directory.path, 2);
    for (const path of paths) writeFileSync(path, noise(MIB));
    const image = assembled(paths, 4096);
    await using disk = await serve(stripe({ paths, chunk: 4096 }), { mode });
    truncateSync(paths[1]!, MIB / 2 + 4096 + 512);
    const result = (offset: number, length: number) => ({
      bytes: length,
      hash: Bun.hash(image.subarray(offset, offset + length)).toString(16),
    });
    expect(
      await client(disk.path, [
        { do: "read", offset: 0, length: 512 * KIB },
        { do: "read", offset: MIB - 64 * KIB, length: 128 * KIB }, // the second file's part ends in it
        { do: "read", offset: MIB + 64 * KIB, length: 4096 }, // the first file's
        { do: "read", offset: MIB + 64 * KIB + 4096, length: 4096 }, // the second's
      ]),
    ).toMatchObject([result(0, 512 * KIB), { code: "EIO" }, result(MIB + 64 * KIB, 4096), { code: "EIO" }]);
  });
}

ublkTest(false)("a file that is full fails a write with its errno when the others are through", async () => {
  await using directory = await workDirectory("/dev/shm");
  const { path } = directory;
  await sh(`mkdir "$1/small"; mount -t tmpfs -o size=1m tmpfs "$1/small"`, path);
  try {
    const paths = [join(path, "file"), join(path, "small/file")];
    await using disk = await serve(stripe({ paths, create: 8 * MIB }));
    const message = await failure(`dd if=/dev/zero of="$1" bs=256k count=60 oflag=direct status=none`, disk.path);
    expect(message).toContain("No space left on device");
    await disk.stop();
  } finally {
    await sh(`umount "$1/small"`, path);
  }
});

const TRACING = "/sys/kernel/tracing";
const traced = isRoot() && existsSync(TRACING) ? ublkTest(false) : requires(false, "needs root and tracefs");

traced("FLUSH reaches every file as a sync, FUA those that it writes to", async () => {
  await using directory = await workDirectory();
  const paths = namesIn(directory.path, 3);
  await using disk = await serve(stripe({ paths, create: MIB, chunk: 4096, direct: false }));
  await sh(`mountpoint -q ${TRACING} || mount -t tracefs tracefs ${TRACING}`);
  const event = `${TRACING}/events/ext4/ext4_sync_file_enter/enable`;
  const syncs = async (command: string): Promise<number> => {
    await sh(`echo > ${TRACING}/trace; echo 1 > ${event}; ${command}; echo 0 > ${event}`, disk.path);
    return readFileSync(`${TRACING}/trace`, "utf8")
      .split("\n")
      .filter((line) => line.includes("ext4_sync_file_enter")).length;
  };
  expect(await syncs(`dd if=/dev/zero of="$1" bs=64k count=4 oflag=direct status=none`)).toBe(0);
  expect(await syncs(`dd if=/dev/zero of="$1" bs=64k count=1 oflag=direct conv=fsync status=none`)).toBe(3);
  // The client's kernel may send a FLUSH behind it as well.
  expect([2, 2 + 3]).toContain(await syncs(`dd if=/dev/zero of="$1" bs=8k count=1 oflag=direct,dsync status=none`));
});

ublkTest(false)("block devices of different sizes, and a file", async () => {
  await using directory = await workDirectory();
  const [first, second, file] = namesIn(directory.path, 3) as [string, string, string];
  await sh(`truncate -s 4M "$1"; truncate -s 5M "$2"; truncate -s $((4 * 1024 * 1024 + 4096)) "$3"`, first, second, file);
  const attached: string[] = [];
  try {
    for (const path of [first, second]) attached.push(await sh(`losetup -f --show "$1"`, path));
    await using disk = await serve(stripe({ paths: [...attached, file], chunk: "32k" }));
    expect(disk.params?.size).toBe(12 * MIB);
    await sh(
      `head -c 12M /dev/urandom > "$2/data"; dd if="$2/data" of="$1" bs=512k oflag=direct status=none; blkdiscard -o 5M -l 1M "$1"`,
      disk.path,
      directory.path,
    );
    await disk.stop();
    const expected = readFileSync(join(directory.path, "data")).fill(0, 5 * MIB, 6 * MIB);
    await sh(`blockdev --flushbufs "$1" "$2"`, ...attached);
    expect(same(assembled([first, second, file], 32 * KIB), expected)).toBe(true);
  } finally {
    for (const device of attached) await sh(`losetup -d "$1"`, device);
  }
});

ublkTest(false)("one file that cannot be written makes a read-only disk", async () => {
  await using directory = await workDirectory("/dev/shm");
  const paths = namesIn(directory.path, 2);
  for (const path of paths) writeFileSync(path, noise(MIB));
  await using disk = await serve(stripe({ paths, readOnly: true }));
  expect(await client(disk.path, [{ do: "read-only" }], "read-only")).toEqual([{ bytes: 1 }]);
  await sh(`cat "$1" > "$2/disk"`, disk.path, directory.path);
  expect(same(readFileSync(join(directory.path, "disk")), assembled(paths, 64 * KIB))).toBe(true);
});
