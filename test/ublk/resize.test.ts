// usual kernels: none
// file timeout: 1200 s
/** Another size for a disk that is in use. */
import { afterEach, describe, expect, setDefaultTimeout } from "bun:test";
import { statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineTarget, serve, type UblkDevice } from "uring-ublk";
import { loop, memory, mirror, nullDisk, stripe } from "uring-ublk/targets";
import { abi, UblkControl } from "uring-ublk/ublk";
import { sh, treeSum, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, requires, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { fioToItsEnd } from "./support/fio.ts";
import { devices, stuckProcesses } from "./support/machine.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const features = await (async () => {
  if (!haveUblk()) return 0;
  await using control = await UblkControl.open();
  return control.features;
})();
const has = (features & abi.UBLK_F_UPDATE_SIZE) !== 0;
const test = haveUblk() && !has ? requires(false, "UPDATE_SIZE came with Linux 6.16") : ublkTest(true);
const long = haveUblk() && !has ? requires(false, "UPDATE_SIZE came with Linux 6.16") : ublkTest(false);
const old = has ? requires(false, "this kernel has UPDATE_SIZE") : ublkTest(true);
const MiB = 2 ** 20;
const read = (buffer: Uint8Array): void => void buffer.fill(7);

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

const sizeOf = async (disk: UblkDevice): Promise<number | undefined> => (await client(disk.path, [{ do: "size" }], "read-only"))[0]!.bytes;

describe("disk.resize", () => {
  test("asks the target, tells clients, and gives up what is behind a smaller end after that", async () => {
    const asked: unknown[] = [];
    let disk: UblkDevice | undefined;
    const kernelSize = async (): Promise<number> => Number(await sh(`cat /sys/block/ublkb$1/size`, disk!.id)) * 512;
    await using served = await serve({
      size: 4 * MiB,
      read,
      resize: async (size, from) => {
        asked.push(["before", size, from, await kernelSize()]);
        return async () => void asked.push(["after", size, await kernelSize()]);
      },
    });
    disk = served;
    await disk.resize("8 MiB");
    expect(disk.params?.size).toBe(8 * MiB);
    expect(await sizeOf(disk)).toBe(8 * MiB);
    const far = { do: "read", offset: 8 * MiB - 4096, length: 4096 } as const;
    expect(await client(disk.path, [far], "read-only")).toMatchObject([{ bytes: 4096, first: 7 }]);
    await disk.resize(2 * MiB);
    expect(await client(disk.path, [{ do: "size" }, far], "read-only")).toMatchObject([{ bytes: 2 * MiB }, { bytes: 0 }]);
    await disk.resize(2 * MiB); // nobody is asked
    expect(asked).toEqual([
      ["before", 8 * MiB, 4 * MiB, 4 * MiB],
      ["after", 8 * MiB, 8 * MiB],
      ["before", 2 * MiB, 8 * MiB, 8 * MiB],
      ["after", 2 * MiB, 2 * MiB],
    ]);
  });

  test("leaves the disk as it is when the target refuses, and what is no size is refused before it is asked", async () => {
    let asked = 0;
    await using disk = await serve({
      size: 4 * MiB,
      blockSize: 4096,
      read,
      resize: () => {
        asked++;
        throw new Error("there is no room");
      },
    });
    await expect(disk.resize(8 * MiB)).rejects.toThrow("there is no room");
    expect(asked).toBe(1);
    for (const [size, message] of [
      [512, /resize: size is 512 bytes; it must be a positive multiple of the block size \(4096\)/],
      [0, /size is 0 bytes/],
      ["lots", /resize: size is 'lots'/],
      [2 ** 54, /size is 18014398509481984/],
    ] as const)
      await expect(disk.resize(size)).rejects.toThrow(message);
    expect({ asked, size: await sizeOf(disk), params: disk.params?.size }).toEqual({ asked: 1, size: 4 * MiB, params: 4 * MiB });
  });

  test("takes its turn, and is refused by a target that cannot and by a disk that is not live", async () => {
    const turns: number[] = [];
    const disk = await serve(
      defineTarget({
        open: () => ({
          size: MiB,
          resize: async (size, from) => {
            turns.push(from, size);
            await Bun.sleep(200);
          },
        }),
        attach: () => ({ read }),
      }),
    );
    await Promise.all([disk.resize(2 * MiB), disk.resize(3 * MiB), disk.resize(MiB)]);
    expect(turns).toEqual([MiB, 2 * MiB, 2 * MiB, 3 * MiB, 3 * MiB, MiB]);
    await disk.stop();
    await expect(disk.resize(MiB)).rejects.toThrow("resize: the disk is stopped");
    await using fixed = await serve({ size: MiB, read });
    await expect(fixed.resize(2 * MiB)).rejects.toThrow(/the target has no resize\(size, from\)/);
  });

  long("a resize() that never settles is given up at the limit", async () => {
    await using disk = await serve({ size: MiB, read, resize: () => new Promise<void>(() => {}) }, { timeoutMs: 3_000 });
    await expect(disk.resize(2 * MiB)).rejects.toThrow(/serve 'resize\(\)': ETIMEDOUT/);
    expect(await sizeOf(disk)).toBe(MiB);
  });

  long("under load, again and again: every byte that fio wrote is there", async () => {
    await using disk = await serve(memory.url, { queues: 2, options: { size: "16 MiB", maxSize: "64 MiB" } });
    const load = fioToItsEnd(
      disk.path,
      { rw: "randwrite", bs: "4k", iodepth: 16, size: "8m", verify: "crc32c", do_verify: 1, loops: 6, numjobs: 1, thread: 1 },
      150_000,
    );
    let over = false;
    void load.then(() => {
      over = true;
    });
    let rounds = 0;
    for (; !over && rounds < 100; rounds++) for (const size of ["48 MiB", "64 MiB", "16 MiB"]) await disk.resize(size);
    expect(await load).toBe(0);
    expect(rounds).toBeGreaterThan(0);
  });

  old("is refused before Linux 6.16, with what can be done, and the target is not asked", async () => {
    let asked = 0;
    await using disk = await serve({ size: MiB, read, resize: () => void asked++ });
    await expect(disk.resize(2 * MiB)).rejects.toThrow(
      /UPDATE_SIZE.*EOPNOTSUPP.*it came with Linux 6\.16\. Stop the disk and serve it anew/,
    );
    expect({ asked, size: await sizeOf(disk) }).toEqual({ asked: 0, size: MiB });
  });
});

describe("a file as a disk", () => {
  test("grows with its file system mounted, and shrinks after it: every byte stays", async () => {
    await using directory = await workDirectory();
    const path = join(directory.path, "disk.img");
    await using disk = await serve(loop({ path, create: "48 MiB" }));
    const mount = join(directory.path, "mnt");
    await sh(`mkfs.ext4 -q "$1"; mkdir "$2"; mount "$1" "$2"; cp -r src "$2/"`, disk.path, mount);
    const before = await treeSum(mount);
    await disk.resize("96 MiB");
    expect(statSync(path).size).toBe(96 * MiB);
    await sh(
      `resize2fs "$1" >/dev/null 2>&1; head -c 60M /dev/urandom > "$2/../random"; cp "$2/../random" "$2/big"; sync -f "$2"`,
      disk.path,
      mount,
    );
    expect(await sh(`cmp "$1/big" "$1/../random" && rm "$1/big" && echo same`, mount)).toBe("same");
    await sh(`umount "$2"; e2fsck -fp "$1" >/dev/null; resize2fs "$1" 40M >/dev/null 2>&1`, disk.path, mount);
    await disk.resize("40 MiB");
    expect(statSync(path).size).toBe(40 * MiB);
    await sh(`e2fsck -fn "$1" >/dev/null 2>&1; mount "$1" "$2"`, disk.path, mount);
    expect(await treeSum(mount)).toBe(before);
    await sh(`umount "$1"`, mount);
  });

  test("refuses what its file cannot become, in Workers too", async () => {
    await using directory = await workDirectory("/dev/shm");
    const path = join(directory.path, "disk.img");
    writeFileSync(path, "");
    truncateSync(path, 4 * MiB);
    await using disk = await serve(loop.url, { queues: 2, options: { path, readOnly: true, direct: false } });
    await expect(disk.resize(8 * MiB)).rejects.toThrow(/loop: '.*disk\.img' cannot be made 8388608 bytes large/);
    expect(await sizeOf(disk)).toBe(4 * MiB);
    const device = await sh(`truncate -s 4M "$1/below"; losetup --find --show "$1/below"`, directory.path);
    {
      await using onDevice = await serve(loop({ path: device }));
      await expect(onDevice.resize(8 * MiB)).rejects.toThrow(
        /loop: '\/dev\/loop\d+' is a block device of 4194304 bytes, and the disk would need 8388608/,
      );
      await onDevice.resize(MiB); // it may be smaller than what it stands on
      expect(await sizeOf(onDevice)).toBe(MiB);
    }
    await sh(`udevadm settle; losetup -d "$1"`, device);
  });
});

describe("other disks", () => {
  test("memory grows up to its maxSize, and what was behind a smaller end reads as zeros", async () => {
    await using disk = await serve(memory({ size: MiB, maxSize: 4 * MiB }));
    await disk.resize(4 * MiB);
    const at = { offset: 3 * MiB, length: 4096 };
    expect(
      await client(disk.path, [
        { do: "write", ...at, fill: 9 },
        { do: "read", ...at },
      ]),
    ).toMatchObject([{ bytes: 4096 }, { first: 9 }]);
    await disk.resize(2 * MiB);
    await disk.resize(4 * MiB);
    expect(await client(disk.path, [{ do: "read", ...at }])).toMatchObject([{ bytes: 4096, first: 0, last: 0 }]);
    await expect(disk.resize(5 * MiB)).rejects.toThrow(
      /memory: size is 5242880 bytes, and the disk was made for at most 4194304; .*maxSize/,
    );
  });

  test("null has any size; stripes and mirrors resize all their files", async () => {
    await using directory = await workDirectory("/dev/shm");
    const paths = ["a", "b"].map((name) => join(directory.path, name));
    const sizes = (): number[] => paths.map((path) => statSync(path).size);
    {
      await using disk = await serve(nullDisk({ size: MiB }));
      await disk.resize("1 TiB");
      expect(await sizeOf(disk)).toBe(2 ** 40);
    }
    {
      await using disk = await serve(stripe({ paths, create: MiB, chunk: 64 * 1024 }));
      await disk.resize(4 * MiB);
      expect([await sizeOf(disk), ...sizes()]).toEqual([4 * MiB, 2 * MiB, 2 * MiB]);
      await expect(disk.resize(4 * MiB + 64 * 1024)).rejects.toThrow(/stripe: size is 4259840 bytes; it must be a multiple of 131072/);
      await disk.resize(MiB);
      expect([await sizeOf(disk), ...sizes()]).toEqual([MiB, MiB / 2, MiB / 2]);
    }
    {
      await using disk = await serve(mirror({ paths }));
      await disk.resize(2 * MiB);
      const at = { offset: 2 * MiB - 4096, length: 4096 };
      expect(await client(disk.path, [{ do: "write", ...at, fill: 3 }, { do: "flush" }])).toMatchObject([{ bytes: 4096 }, {}]);
      expect([await sizeOf(disk), ...sizes()]).toEqual([2 * MiB, 2 * MiB, 2 * MiB]);
      expect(await sh(`cmp "$1" "$2" && tail -c 1 "$2" | od -An -tu1`, ...paths)).toBe("3");
    }
  });
});
