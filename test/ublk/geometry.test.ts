// usual kernels: the newest
/** What a target says of its disk, and the options it is served with, are what the kernel tells its clients. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { type Geometry, type ServeOptions, serve } from "uring-ublk";
import { haveUblk, requires } from "../support/requires.ts";
import { devices, stuckProcesses } from "./support/machine.ts";

setDefaultTimeout(120_000); // an emulated machine, and neighbours
const test = requires(haveUblk(), "needs a kernel with ublk");
const MiB = 2 ** 20;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

const QUEUE = [
  "logical_block_size",
  "physical_block_size",
  "minimum_io_size",
  "optimal_io_size",
  "rotational",
  "write_cache",
  "fua",
  "max_hw_sectors_kb",
  "discard_granularity",
  "discard_max_bytes",
  "write_zeroes_max_bytes",
];

/** What sysfs says of a disk that is served this way. */
async function told(geometry: Geometry, options: ServeOptions<never> = {}): Promise<Record<string, string | number>> {
  const methods = { read: () => {}, write: () => {}, flush: () => {}, discard: () => {}, writeZeroes: () => {} };
  await using disk = await serve({ ...geometry, ...methods }, options);
  const folder = `/sys/block/ublkb${disk.id}`;
  const text = (name: string): string => readFileSync(`${folder}/${name}`, "utf8").trim();
  return {
    sectors: Number(text("size")),
    ro: text("ro"),
    queues: readdirSync(`${folder}/mq`).length,
    tags: text("mq/0/nr_tags"),
    ...Object.fromEntries(QUEUE.map((name) => [name, text(`queue/${name}`)])),
  };
}

test("the defaults, which the kernel raises to the physical block where they are smaller", async () => {
  expect(await told({ size: "4 MiB" })).toEqual({
    sectors: 8192,
    ro: "0",
    queues: 1,
    tags: "128",
    logical_block_size: "512",
    physical_block_size: "4096",
    minimum_io_size: "4096",
    optimal_io_size: "4096",
    rotational: "0",
    write_cache: "write back",
    fua: "0",
    max_hw_sectors_kb: "512",
    discard_granularity: "4096",
    discard_max_bytes: String(1024 * MiB),
    write_zeroes_max_bytes: String(1024 * MiB),
  });
});

test("everything else", async () => {
  const geometry: Geometry = {
    size: 4 * MiB + 4096,
    blockSize: 4096,
    physicalBlockSize: 8192,
    ioMin: "16 KiB",
    ioOpt: "64 KiB",
    fua: true,
    discardGranularity: "64 KiB",
    maxDiscard: "8 MiB",
    maxWriteZeroes: "16 MiB",
  };
  expect(await told(geometry, { queues: 2, depth: 7, maxIo: "1 MiB", rotational: true })).toEqual({
    sectors: 8200,
    ro: "0",
    queues: 2,
    tags: "7",
    logical_block_size: "4096",
    physical_block_size: "8192",
    minimum_io_size: "16384",
    optimal_io_size: "65536",
    rotational: "1",
    write_cache: "write back",
    fua: "1",
    max_hw_sectors_kb: "1024",
    discard_granularity: "65536",
    discard_max_bytes: String(8 * MiB),
    write_zeroes_max_bytes: String(16 * MiB),
  });
});

test("readOnly, of the target or as an option, leaves nothing that writes", async () => {
  for (const [geometry, options] of [
    [{ size: MiB, readOnly: true }, {}],
    [{ size: MiB }, { readOnly: true }],
  ] as const) {
    expect(await told(geometry, options)).toMatchObject({
      ro: "1",
      write_cache: "write through",
      fua: "0",
      discard_max_bytes: "0",
      write_zeroes_max_bytes: "0",
    });
  }
});
