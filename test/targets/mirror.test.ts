// usual kernels: the newest
// file timeout: 900 s
/** The mirrored disk: all legs hold the same; one that misses a write is never used again, and the disk goes on. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serve, type UblkDevice } from "uring-ublk";
import { type FailedLeg, mirror } from "uring-ublk/targets";
import { failure, fileSystemRoundTrip, sh, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, ublkTest } from "../support/requires.ts";
import { client } from "../ublk/support/client.ts";
import { devices, stuckProcesses, until } from "../ublk/support/machine.ts";
import { LARGE, noise, ROWS, serveThere, testIn, verified, type Where } from "./support/several.ts";

setDefaultTimeout(120_000); // an emulated machine, and neighbours
const MIB = 2 ** 20;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

const namesIn = (directory: string, legs: number): string[] => Array.from({ length: legs }, (_, i) => join(directory, `leg-${i}`));
const hashOf = (path: string): string => Bun.hash(readFileSync(path)).toString(16);

/** A directory in memory for legs, with one beside it that is full after a mebibyte. */
async function withSmall(): Promise<{ path: string; small: string } & AsyncDisposable> {
  const directory = await workDirectory("/dev/shm");
  const small = join(directory.path, "small");
  await sh(`mkdir "$1"; mount -t tmpfs -o size=1m tmpfs "$1"`, small);
  return {
    path: directory.path,
    small,
    [Symbol.asyncDispose]: async () => {
      await sh(`umount "$1"`, small);
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** In the usual run one of the rows. */
const USUAL = ["zero-copy two Workers"];

for (const [i, [mode, where]] of ROWS.entries()) {
  testIn(mode, USUAL.includes(`${mode} ${where}`))(
    `${2 + (i % 3)} legs, ${mode}, ${where}: fio finds what it wrote, and every leg is the disk`,
    async () => {
      await using directory = await workDirectory(i % 2 === 0 ? "/dev/shm" : undefined);
      const paths = namesIn(directory.path, 2 + (i % 3));
      const options = { paths, create: 8 * MIB };
      await using disk = await serveThere(mirror, options, where, { mode, depth: 32, maxIo: "1 MiB" });
      expect({ mode: disk.mode, size: disk.params?.size }).toEqual({ mode, size: 8 * MIB });
      await sh(LARGE, disk.path);
      expect(await verified(disk.path, "3m", "1m")).toBe(true);
      await sh(`blkdiscard -o 1M -l 512k "$1"; blkdiscard -z -o 3M -l 1M "$1"`, disk.path);
      await sh(`dd if="$1" of="$2/disk" bs=1M iflag=direct status=none; cmp -n 1M -i 3M:0 "$1" /dev/zero`, disk.path, directory.path);
      await disk.stop();
      const whole = hashOf(join(directory.path, "disk"));
      expect(paths.map(hashOf)).toEqual(paths.map(() => whole));
    },
  );
}

/** Serves a mirror whose second leg can take a mebibyte, under load; answers what was told. */
async function degradedUnderLoad(where: Where, told: "degraded" | "requesterror", mode: "copy" | "auto-buf-reg"): Promise<void> {
  await using directory = await withSmall();
  const paths = [join(directory.path, "good"), join(directory.small, "bad")];
  const legs: FailedLeg[] = [];
  const errors: unknown[] = [];
  const options = { paths, create: 8 * MIB, ...(told === "degraded" ? { degraded: (leg: FailedLeg) => void legs.push(leg) } : {}) };
  await using disk = await serveThere(mirror, options, where, { mode, depth: 32, maxIo: "128 KiB" });
  disk.on("requesterror", ({ error }) => void errors.push(error));
  expect(await verified(disk.path, "3m", "128k")).toBe(true);
  await until(() => legs.length + errors.length > 0, "told");
  const stale = hashOf(paths[1]!);
  // Every read is of the good leg from now on, whoever serves it: the first block of the other holds something else.
  const answers = await client(disk.path, [
    { do: "write", offset: 0, length: 4096, fill: 0x5a },
    { do: "flush" },
    { do: "read", offset: 0, length: 4096 },
  ]);
  expect(answers).toMatchObject([{ bytes: 4096 }, { bytes: 0 }, { first: 0x5a, last: 0x5a }]);
  for (const cpu of [0, 1]) {
    const reads = `for i in 1 2 3 4 5 6; do taskset -c $2 dd if="$1" bs=4k count=1 skip=$((i % 2 * 7)) iflag=direct status=none | cksum; done`;
    const sums = (await sh(reads, disk.path, cpu)).split("\n");
    expect(new Set(sums).size).toBe(2);
  }
  expect(await verified(disk.path, "2m", "128k")).toBe(true);
  await sh(`dd if="$1" of="$2/disk" bs=1M iflag=direct status=none`, disk.path, directory.path);
  await disk.stop();
  expect(hashOf(paths[1]!)).toBe(stale); // nothing was written to it any more
  expect(hashOf(paths[0]!)).toBe(hashOf(join(directory.path, "disk")));
  expect({ legs: legs.length, errors: errors.length }).toEqual(told === "degraded" ? { legs: 1, errors: 0 } : { legs: 0, errors: 1 });
  if (told === "degraded") expect(legs[0]).toMatchObject({ path: paths[1], error: { code: "ENOSPC" } });
  else expect(String(errors[0])).toMatch(/mirror: paths\[1\] '.*bad': ENOSPC \(a write to it failed/);
}

for (const [usual, where, told, mode] of [
  [false, "the calling thread", "degraded", "copy"],
  [true, "two Workers", "degraded", "auto-buf-reg"],
  [false, "the calling thread", "requesterror", "auto-buf-reg"],
  [false, "two Workers", "requesterror", "copy"],
] as const) {
  testIn(mode, usual)(`a leg that is full under load is left out, and told by ${told}: ${mode}, ${where}`, () =>
    degradedUnderLoad(where, told, mode),
  );
}

async function broken(paths: string[], mode: "copy" | "auto-buf-reg"): Promise<{ disk: UblkDevice; image: Buffer; told: string[] }> {
  const image = noise(2 * MIB);
  for (const path of paths) writeFileSync(path, image);
  const told: string[] = [];
  const disk = await serve(mirror({ paths, degraded: ({ path }) => void told.push(path) }), { mode });
  return { disk, image, told };
}

for (const mode of ["copy", "auto-buf-reg"] as const) {
  testIn(mode, mode === "auto-buf-reg")(`a read that one leg cannot do is another's, and EIO when none can, ${mode}`, async () => {
    await using directory = await workDirectory("/dev/shm");
    const paths = namesIn(directory.path, 3);
    const { disk, image, told } = await broken(paths, mode);
    await using _ = disk;
    const wanted = (offset: number, length: number) => ({
      bytes: length,
      hash: Bun.hash(image.subarray(offset, offset + length)).toString(16),
    });
    truncateSync(paths[0]!, MIB);
    truncateSync(paths[2]!, MIB + 65536 + 512);
    const ranges = [3, 1, 4, 1, 5, 9, 2, 6].map((n) => [MIB + n * 65536, 65536 + 512] as const);
    const steps = [...ranges, [MIB - 4096, 8192] as const].map(([offset, length]) => ({ do: "read" as const, offset, length }));
    expect(await client(disk.path, steps)).toMatchObject(steps.map(({ offset, length }) => wanted(offset, length)));
    truncateSync(paths[1]!, MIB + 4096);
    expect(
      await client(disk.path, [
        { do: "read", offset: MIB + 512 * 1024, length: 4096 },
        { do: "read", offset: MIB, length: 4096 },
        { do: "write", offset: MIB + 512 * 1024, length: 4096, fill: 7 }, // makes the files longer: they are well again
        { do: "read", offset: MIB + 512 * 1024, length: 4096 },
      ]),
    ).toMatchObject([{ code: "EIO" }, wanted(MIB, 4096), { bytes: 4096 }, { bytes: 4096, first: 7, last: 7 }]);
    await disk.stop();
    expect(told).toEqual([]);
  });
}

for (const [where, mode, usual] of [
  ["the calling thread", "copy", false],
  ["two Workers", "auto-buf-reg", false],
] as const) {
  testIn(mode, usual)(`the last leg that fails fails its requests with EIO, and stays: ${mode}, ${where}`, async () => {
    await using directory = await withSmall();
    const told: FailedLeg[] = [];
    const paths = [join(directory.small, "a"), join(directory.small, "b")];
    const options = { paths, create: 8 * MIB, degraded: (leg: FailedLeg) => void told.push(leg) };
    await using disk = await serveThere(mirror, options, where, { mode });
    await client(disk.path, [{ do: "write", offset: 0, length: 4096, fill: 3 }]);
    const message = await failure(`dd if=/dev/zero of="$1" bs=64k seek=1 count=100 oflag=direct status=none`, disk.path);
    expect(message).toContain("Input/output error");
    await until(() => told.length > 0, "told");
    expect(
      await client(disk.path, [
        { do: "read", offset: 0, length: 4096 },
        { do: "write", offset: 0, length: 4096, fill: 4 },
        { do: "read", offset: 0, length: 4096 },
      ]),
    ).toMatchObject([{ first: 3, last: 3 }, { bytes: 4096 }, { first: 4, last: 4 }]);
    await disk.stop();
    expect(told.map(({ error }) => error.code)).toEqual(["ENOSPC"]);
  });
}

for (const where of ["the calling thread", "two Workers"] as const) {
  ublkTest(false)(`ext4 lives on a mirror, and each leg is the file system, ${where}`, async () => {
    await using directory = await workDirectory();
    const paths = namesIn(directory.path, 2);
    await using disk = await serveThere(mirror, { paths, create: 48 * MIB }, where, {});
    const { read, expected } = await fileSystemRoundTrip(disk.path, "ext4");
    expect(read).toBe(expected);
    await disk.stop();
    await sh(`cmp "$1" "$2"; e2fsck -fn "$1"`, ...paths);
  });
}

ublkTest(false)("legs of different sizes make a disk of the smallest, and a block device is one", async () => {
  await using directory = await workDirectory();
  const [file, image] = namesIn(directory.path, 2) as [string, string];
  await sh(`truncate -s 4M "$1"; truncate -s 6M "$2"`, file, image);
  const device = await sh(`losetup -f --show "$1"`, image);
  try {
    await using disk = await serve(mirror({ paths: [file, device] }));
    expect(disk.params?.size).toBe(4 * MIB);
    await sh(`head -c 4M /dev/urandom | dd of="$1" bs=512k iflag=fullblock oflag=direct status=none; blkdiscard -l 1M "$1"`, disk.path);
    await disk.stop();
    await sh(`blockdev --flushbufs "$1"; cmp -n 4M "$2" "$3"; cmp -n 1M "$2" /dev/zero`, device, file, image);
  } finally {
    await sh(`losetup -d "$1"`, device);
  }
});
