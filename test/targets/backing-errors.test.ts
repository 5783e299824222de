// usual kernels: none
// file timeout: 600 s
/** What is below a disk fails: its client learns that, and nothing else does. */
import { afterEach, describe, expect, setDefaultTimeout } from "bun:test";
import { join } from "node:path";
import { serve } from "uring-ublk";
import { loop } from "uring-ublk/targets";
import { sh, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { client } from "../ublk/support/client.ts";
import { devices, stuckProcesses } from "../ublk/support/machine.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const MiB = 2 ** 20;
const MODES = ["copy", "user-copy", "auto-buf-reg"] as const;
const testIn = (mode: (typeof MODES)[number]) =>
  mode === "auto-buf-reg" && haveUblk() && !kernelAtLeast("6.16")
    ? requires(false, "AUTO_BUF_REG came with Linux 6.16")
    : ublkTest(mode === "copy");

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

const write = (offset: number, fill: number, length = 4096) => ({ do: "write", offset, length, fill }) as const;
const read = (offset: number, length = 4096) => ({ do: "read", offset, length }) as const;

for (const mode of MODES) {
  describe(`in mode ${mode}`, () => {
    testIn(mode)("a device with a bad place: EIO there, everything else is whole, and it heals with the device", async () => {
      await using directory = await workDirectory("/dev/shm");
      const name = `bad-place-${process.pid}`;
      const below = await sh(`modprobe dm-mod; truncate -s 16M "$1/img"; losetup --find --show "$1/img"`, directory.path);
      // Sectors 8192 to 8199, 4 MiB into it, are bad.
      const table = `0 8192 linear $1 0\n8192 8 error\n8200 24568 linear $1 8200`;
      await sh(`printf '${table.replaceAll("$1", "%s")}\n' "$1" "$1" | dmsetup create "$2"; udevadm settle`, below, name);
      try {
        await using disk = await serve(loop({ path: `/dev/mapper/${name}` }), { mode });
        expect(
          await client(disk.path, [
            write(4 * MiB - 4096, 1),
            write(4 * MiB, 2),
            read(4 * MiB),
            read(4 * MiB - 4096),
            write(4 * MiB + 4096, 3),
            { do: "flush" },
          ]),
        ).toMatchObject([{ bytes: 4096 }, { code: "EIO" }, { code: "EIO" }, { bytes: 4096, first: 1 }, { bytes: 4096 }, {}]);
        // A request over all three places fails as one.
        expect(await client(disk.path, [read(4 * MiB - 4096, 12288)])).toEqual([{ code: "EIO" }]);
        await sh(`dmsetup suspend "$2"; dmsetup load "$2" --table "0 32768 linear $1 0"; dmsetup resume "$2"`, below, name);
        expect(await client(disk.path, [write(4 * MiB, 2), read(4 * MiB), read(4 * MiB + 4096)])).toMatchObject([
          { bytes: 4096 },
          { first: 2 },
          { first: 3 },
        ]);
      } finally {
        await sh(`udevadm settle; dmsetup remove --retry "$2"; losetup -d "$1"`, below, name);
      }
    });

    testIn(mode)("a file system that is full: ENOSPC, what was written stays, and there is room again once there is", async () => {
      await using directory = await workDirectory("/dev/shm");
      const full = join(directory.path, "full");
      await sh(`mkdir "$1"; mount -t tmpfs -o size=8M tmpfs "$1"; truncate -s 32M "$1/img"; head -c 4M /dev/zero > "$1/filling"`, full);
      try {
        await using disk = await serve(loop({ path: join(full, "img"), direct: false }), { mode });
        const [first, ...others] = await client(disk.path, [write(0, 5, MiB), write(8 * MiB, 6, 4 * MiB), read(0, MiB), { do: "flush" }]);
        expect(first).toMatchObject({ bytes: MiB });
        expect(others).toMatchObject([{ code: "ENOSPC" }, { bytes: MiB, first: 5, last: 5 }, {}]);
        await sh(`rm "$1/filling"`, full);
        expect(await client(disk.path, [write(8 * MiB, 6, 4 * MiB), read(8 * MiB, 4 * MiB)])).toMatchObject([
          { bytes: 4 * MiB },
          { bytes: 4 * MiB, first: 6, last: 6 },
        ]);
      } finally {
        await sh(`umount "$1"`, full);
      }
    });

    testIn(mode)("a file that somebody cuts: EIO behind its end for reads, and a write makes it longer again", async () => {
      await using directory = await workDirectory("/dev/shm");
      const path = join(directory.path, "img");
      await using disk = await serve(loop({ path, create: 4 * MiB, direct: false }), { mode });
      await client(disk.path, [write(0, 8), write(3 * MiB, 9)]);
      await sh(`truncate -s 1050000 "$1"`, path); // in the middle of a block
      expect(await client(disk.path, [read(0), read(3 * MiB), read(MiB, 8192), write(3 * MiB, 9), read(3 * MiB)])).toMatchObject([
        { first: 8 },
        { code: "EIO" },
        { code: "EIO" },
        { bytes: 4096 },
        { first: 9 },
      ]);
    });
  });
}
