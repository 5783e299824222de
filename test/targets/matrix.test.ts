// file timeout: 3600 s
/**
 * Targets, data modes and shapes of queues against each other: in rows in which every pair of values occurs, and always the same ones.
 * `URING_UBLK_MATRIX=all` takes every row there is. The usual run takes two rows, on a new kernel.
 */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { join } from "node:path";
import { type DataMode, MODES, type ServeOptions, type UblkDevice } from "uring-ublk";
import { loop, memory, mirror, nullDisk, stripe } from "uring-ublk/targets";
import { type FileSystem, fileSystemRoundTrip, sh, workDirectory } from "../support/disk-tools.ts";
import { pairwise, product, type Row, rowName } from "../support/pairwise.ts";
import { haveUblk, isFullRun, kernelAtLeast, requires } from "../support/requires.ts";
import { fio } from "../ublk/support/fio.ts";
import { devices, stuckProcesses } from "../ublk/support/machine.ts";
import { LARGE, serveThere, type Where } from "./support/several.ts";

setDefaultTimeout(300_000); // an emulated machine, and neighbours
const SEED = 20261128;
const MIB = 2 ** 20;
const KIB = 1024;
const SIZES: Readonly<Record<FileSystem, number>> = { ext4: 48 * MIB, xfs: 320 * MIB };

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

// Elsewhere there is nothing to run, and everything to name.
const HERE = MODES.filter(({ since }) => !haveUblk() || kernelAtLeast(since));
const LENDING: readonly DataMode[] = MODES.filter(({ lends }) => lends).map(({ name }) => name);

const SHAPE = {
  mode: HERE.map(({ name }) => name),
  depth: [1, 32, 128],
  queues: ["one queue", "two Workers"],
  block: [512, 4 * KIB, 64 * KIB, MIB],
} as const;
const DISKS = { target: ["memory", "loop", "stripe", "mirror"], ...SHAPE, fileSystem: ["ext4", "xfs"] } as const;

/** The memory disk looks at its data. */
const possible = ({ target, mode }: Row<typeof DISKS>): boolean => target !== "memory" || !LENDING.includes(mode);

const EVERY_ROW = process.env.URING_UBLK_MATRIX === "all";
const ROWS = EVERY_ROW ? product(DISKS, possible) : pairwise(DISKS, SEED, possible);
const NULL_ROWS = EVERY_ROW ? product(SHAPE) : pairwise(SHAPE, SEED);

const USUAL = new Set<unknown>([ROWS.find(({ fileSystem }) => fileSystem === "ext4"), NULL_ROWS[0]]);

function testFor(row: unknown) {
  if (!haveUblk()) return requires(false, "needs a kernel with ublk");
  return requires(isFullRun() || (kernelAtLeast("7.2") && USUAL.has(row)), "one of many like it: runs in test:full");
}

/** Serves what a row names, on files of a directory. */
function serveRow({ target, mode, depth, queues }: Omit<Row<typeof DISKS>, "block">, directory: string, size: number): Promise<UblkDevice> {
  const where: Where = queues === "two Workers" ? "two Workers" : "the calling thread";
  const how: ServeOptions<never> = { mode, depth, maxIo: "1 MiB" };
  const paths = [join(directory, "file-0"), join(directory, "file-1")];
  switch (target) {
    case "memory":
      return serveThere(memory, { size }, where, how);
    case "loop":
      return serveThere(loop, { path: paths[0]!, create: size }, where, how);
    case "stripe":
      return serveThere(stripe, { paths, create: size / 2, chunk: 64 * KIB }, where, how);
    default:
      return serveThere(mirror, { paths, create: size }, where, how);
  }
}

/** What fio does to a disk: some or many requests from each of two processes, which never touch the same block. */
function load(block: number, depth: number): Record<string, string | number> {
  const size = Math.min(16 * MIB, block * 128);
  return { bs: block, iodepth: depth, size, numjobs: 2, offset_increment: 16 * MIB };
}

for (const row of ROWS) {
  testFor(row)(`every byte comes back, and a file system lives there: ${rowName(row)}`, async () => {
    await using directory = await workDirectory();
    await using disk = await serveRow(row, directory.path, SIZES[row.fileSystem]);
    expect(disk.mode).toBe(row.mode);
    await sh(LARGE, disk.path);
    const { jobs } = await fio(disk.path, {
      ...load(row.block, row.depth),
      rw: "randwrite",
      verify: "crc32c",
      do_verify: 1,
      verify_fatal: 1,
    });
    expect(jobs.map(({ error }) => error)).toEqual([0, 0]);
    for (const { read, write } of jobs) expect(read.total_ios).toBe(write.total_ios); // each block was looked at
    const { read, expected } = await fileSystemRoundTrip(disk.path, row.fileSystem);
    expect(read).toBe(expected);
    await disk.stop();
  });
}

for (const row of NULL_ROWS) {
  testFor(row)(`every request is answered by the null disk: ${rowName(row)}`, async () => {
    const { mode, depth, queues, block } = row;
    const where: Where = queues === "two Workers" ? "two Workers" : "the calling thread";
    await using disk = await serveThere(nullDisk, { size: "1 GiB" }, where, { mode, depth, maxIo: "1 MiB" });
    await sh(LARGE, disk.path);
    const { jobs } = await fio(disk.path, { ...load(block, depth), rw: "randrw" });
    const requests = load(block, depth).size as number;
    expect(jobs.map(({ error, read, write }) => [error, read.total_ios + write.total_ios])).toEqual([
      [0, requests / block],
      [0, requests / block],
    ]);
    await disk.stop();
  });
}
