// usual kernels: the newest
/** What a target says of its disk, and the options it is served with, are what the kernel tells its clients. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { type Geometry, Op, type ServeOptions, serve, type UblkRequest } from "uring-ublk";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
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

const full = ublkTest(false);
const segmented = haveUblk() && !kernelAtLeast("6.16") ? requires(false, "limits of segments came with Linux 6.16") : full;

segmented(
  "limits of a request's segments and of its memory's alignment are the kernel's, and requests are split to keep to them",
  async () => {
    const lengths = new Set<number>();
    const counting = {
      size: 4 * MiB,
      zeroCopy: true,
      dmaAlignment: 4096,
      segments: { maxCount: 4, maxBytes: 4096, boundary: 4096 },
      handle(request: UblkRequest) {
        if (request.op === Op.READ) request.copyFrom(new Uint8Array(request.length));
        lengths.add(request.length);
        request.complete();
      },
    };
    await using disk = await serve(counting);
    const queue = `/sys/block/ublkb${disk.id}/queue`;
    const told = ["max_segments", "max_segment_size", "dma_alignment"].map((name) => readFileSync(`${queue}/${name}`, "utf8").trim());
    expect(told).toEqual(["4", "4096", "4095"]);
    lengths.clear();
    await sh(
      `dd if=/dev/zero of="$1" bs=64k count=4 oflag=direct status=none; dd if="$1" of=/dev/null bs=64k count=4 iflag=direct`,
      disk.path,
    );
    expect(Math.max(...lengths)).toBe(16384);
  },
);

full("16 TiB in blocks of 4096 bytes: the last of them comes with its place", async () => {
  const size = 16 * 2 ** 40;
  const offsets: number[] = [];
  await using disk = await serve({
    size,
    blockSize: 4096,
    rotational: true,
    read: (buffer, offset) => {
      buffer.fill(7);
      offsets.push(offset + buffer.length);
    },
    write: (buffer, offset) => void offsets.push(offset + buffer.length),
  });
  expect(await sh(`blockdev --getsize64 --getss "$1"`, disk.path)).toBe(`${size}\n4096`);
  const seek = size / 4096 - 1;
  offsets.length = 0;
  await sh(`dd if=/dev/zero of="$1" bs=4096 count=1 seek=$2 oflag=direct conv=notrunc status=none`, disk.path, seek);
  expect(await sh(`dd if="$1" bs=4096 count=1 skip=$2 iflag=direct status=none | tr -d '\\007' | wc -c`, disk.path, seek)).toBe("0");
  expect(offsets.filter((end) => end === size).length).toBeGreaterThanOrEqual(2);
  expect(Math.max(...offsets)).toBe(size);
});

full("what a target says of segments is checked by name", async () => {
  const problem = (segments: object): Promise<string> =>
    serve({ size: MiB, read() {}, segments } as never).then(
      (disk) => disk.stop().then(() => "served"),
      ({ message }: Error) => message,
    );
  expect(await problem({ maxCount: 0 })).toContain("target: segments: maxCount is 0");
  expect(await problem({ maxBytes: 512 })).toContain("target: segments.maxBytes is 512; it must be from 4096");
  expect(await problem({ boundary: 5000 })).toContain("target: segments.boundary is 5000 bytes; it must be a power of two from 4096");
  expect(await problem({ count: 3 })).toContain("count");
});
