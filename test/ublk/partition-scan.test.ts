// usual kernels: none
/** Looking for partitions, and not looking. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { existsSync } from "node:fs";
import { serve } from "uring-ublk";
import { abi, UblkControl } from "uring-ublk/ublk";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, requires, ublkTest } from "../support/requires.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";

setDefaultTimeout(120_000); // an emulated machine, and neighbours
const test = ublkTest(true);
const features = await (async () => {
  if (!haveUblk()) return 0;
  await using control = await UblkControl.open();
  return control.features;
})();
const has = (features & abi.UBLK_F_NO_AUTO_PART_SCAN) !== 0;
const scanless = haveUblk() && !has ? requires(false, "NO_AUTO_PART_SCAN came with Linux 7.0") : test;
const always = has ? requires(false, "this kernel can leave the scan") : test;
const SIZE = 8 * 2 ** 20;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** A disk with a partition table: one partition from sector 2048 on. */
function partitioned() {
  const data = new Uint8Array(SIZE);
  const entry = new DataView(data.buffer, 446, 16);
  entry.setUint8(4, 0x83);
  entry.setUint32(8, 2048, true);
  entry.setUint32(12, SIZE / 512 - 2048, true);
  data.set([0x55, 0xaa], 510);
  return { size: SIZE, read: (buffer: Uint8Array, offset: number) => void buffer.set(data.subarray(offset, offset + buffer.length)) };
}

test("the partitions of a disk are there soon after it is", async () => {
  await using disk = await serve(partitioned());
  await until(() => existsSync(`${disk.path}p1`), "partitioned", 60_000);
  expect(await sh(`cat /sys/class/block/$1p1/start`, disk.path.slice("/dev/".length))).toBe("2048");
});

scanless("with partitionScan: false they are there once somebody asks", async () => {
  await using disk = await serve(partitioned(), { partitionScan: false });
  expect(disk.info.flags & abi.UBLK_F_NO_AUTO_PART_SCAN).toBe(abi.UBLK_F_NO_AUTO_PART_SCAN);
  await sh("udevadm settle");
  await Bun.sleep(1_000); // the scan of the test before was there by then
  expect(existsSync(`${disk.path}p1`)).toBe(false);
  await sh(`blockdev --rereadpt "$1"; udevadm settle`, disk.path);
  await until(() => existsSync(`${disk.path}p1`), "partitioned");
});

always("partitionScan: false is refused where the kernel always looks", async () => {
  await expect(serve(partitioned(), { partitionScan: false })).rejects.toThrow(
    /'partitionScan: false': EOPNOTSUPP.*NO_AUTO_PART_SCAN; it came with Linux 7\.0\. Leave partitionScan out/,
  );
});
