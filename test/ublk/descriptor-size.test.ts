// usual kernels: none
/** Descriptors of another size (`UBLK_F_IO_DESC_SIZE`, Linux 7.3): asked for, mapped and read as they are; dropped by older drivers. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { UblkControl } from "uring-ublk/ublk";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { devices, stuckProcesses } from "./support/machine.ts";
import { PARAMS, RawDevice } from "./support/raw-device.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const IO_DESC_SIZE = 0x10_0000;
const has = haveUblk() && kernelAtLeast("7.3");
const test = has ? ublkTest(true) : requires(false, "needs Linux 7.3: descriptors of another size");
const without = haveUblk() && !has ? ublkTest(true) : requires(false, "needs a driver before Linux 7.3");
const BLOCK = 4096;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** Each block of the disk tells its number. */
function fill(bytes: Uint8Array, offset: number): void {
  for (let at = 0; at < bytes.length; at += BLOCK) bytes.fill(((offset + at) / BLOCK) & 0xff, at, at + BLOCK);
}

for (const descriptorBytes of [24, 40, 64, 256]) {
  test(`requests are told right with descriptors of ${descriptorBytes} bytes, on two queues, and nothing is written behind them`, async () => {
    await using device = await RawDevice.make({ descriptorBytes, queues: 2, depth: 100 });
    expect(device.info).toMatchObject({ descriptorBytes, queues: 2, depth: 100 });
    expect(device.info.flags & IO_DESC_SIZE).toBe(IO_DESC_SIZE);
    const used = new Set<string>();
    device.serve(({ length, offset, queue, tag }) => {
      used.add(`${queue}/${tag}`);
      fill(device.data(tag, queue).subarray(0, length), offset);
      return length;
    });
    await device.start();
    const expected = Buffer.alloc(PARAMS.size);
    fill(expected, 0);
    const sum = new Bun.CryptoHasher("sha256").update(expected).digest("hex");
    for (const cpu of [0, 1]) {
      const read = await sh(
        'for at in 0 1 2 3; do taskset -c $2 dd if="$1" of=/tmp/descriptors.$at bs=4k skip=$((at * 256)) count=256 iflag=direct status=none & done; wait; cat /tmp/descriptors.[0-3] | sha256sum; rm /tmp/descriptors.[0-3]',
        device.path,
        cpu,
      );
      expect(read).toStartWith(sum);
    }
    expect(new Set([...used].map((name) => name.split("/")[0])).size).toBe(2);
    const behind = device.descriptors.flatMap((arena) =>
      Array.from({ length: 100 }, (_, tag) => [...arena.bytes(tag * descriptorBytes + 24, descriptorBytes - 24)].filter(Boolean)).flat(),
    );
    expect(behind).toEqual([]);
    await device.stop();
  });
}

test("a flag without a size is refused by the driver, and no device is left", async () => {
  await using control = await UblkControl.open();
  const bare = control.addDevice({ queues: 1, depth: 1, maxIoBytes: 65_536, flags: IO_DESC_SIZE });
  await expect(bare).rejects.toThrow(/ADD_DEV: EINVAL/);
});

without("an older driver drops the flag, and its answer says 24", async () => {
  await using device = await RawDevice.make({ descriptorBytes: 64 });
  expect(device.info.descriptorBytes).toBe(24);
  expect(device.info.flags & IO_DESC_SIZE).toBe(0);
});

ublkTest(true)("a size that no driver takes is refused, by its name and with the limits", async () => {
  await using control = await UblkControl.open();
  for (const descriptorBytes of [16, 28, 264]) {
    const asked = control.addDevice({ queues: 1, depth: 1, maxIoBytes: 65_536, flags: 0, descriptorBytes });
    await expect(asked).rejects.toThrow(new RegExp(`addDevice: descriptorBytes is ${descriptorBytes}`));
  }
});
