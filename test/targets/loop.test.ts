// usual kernels: the newest
import { expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DataMode, serve } from "uring-ublk";
import { type LoopBacking, loop } from "uring-ublk/targets";
import { failure, sh, ublkNodes, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, isRoot, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";

const t = requires(haveUblk(), "needs a kernel with ublk");
const lending = requires(haveUblk() && kernelAtLeast("6.16"), "needs ublk with AUTO_BUF_REG (Linux 6.16)");
const TRACING = "/sys/kernel/tracing";
const LIMIT = 180_000; // an emulated machine, and neighbours
const MIB = 2 ** 20;
const MODES: readonly DataMode[] = ["copy", "auto-buf-reg"];

for (const mode of MODES) {
  const test = mode === "copy" ? t : lending;

  test(
    `a file that ends inside a page is served to its last whole block, ${mode}`,
    async () => {
      await using directory = await workDirectory();
      const path = join(directory.path, "image");
      const before = randomBytes(5 * 4096 + 1536 + 100);
      writeFileSync(path, before);
      await using disk = await serve(loop({ path }), { mode });
      expect(disk.params?.size).toBe(5 * 4096 + 1536);
      // Single sectors, past the client's page cache; the last two lie behind the last whole page.
      await sh(`dd if="$1" of="$2/read" bs=512 iflag=direct status=none`, disk.path, directory.path);
      expect(readFileSync(join(directory.path, "read")).equals(before.subarray(0, 5 * 4096 + 1536))).toBe(true);
      const sector = randomBytes(512);
      writeFileSync(join(directory.path, "sector"), sector);
      for (const at of [1, 17, 42])
        await sh(`dd if="$2/sector" of="$1" bs=512 seek=$3 oflag=direct status=none`, disk.path, directory.path, at);
      await disk.stop();
      const after = Buffer.from(before);
      for (const at of [1, 17, 42]) sector.copy(after, at * 512);
      expect(readFileSync(path).equals(after)).toBe(true);
    },
    LIMIT,
  );

  test(
    `requests of maxIo pass whole, ${mode}`,
    async () => {
      await using directory = await workDirectory();
      const path = join(directory.path, "image");
      await using disk = await serve(loop({ path, create: 32 * MIB }), { mode, maxIo: "4 MiB", depth: 4 });
      const queue = `/sys/block/${disk.path.slice(5)}/queue`;
      await sh(`cat $1/max_hw_sectors_kb > $1/max_sectors_kb`, queue);
      expect(readFileSync(`${queue}/max_sectors_kb`, "utf8").trim()).toBe("4096");
      await sh(
        `head -c 16M /dev/urandom > "$2/data"; dd if="$2/data" of="$1" bs=4M oflag=direct status=none; dd if="$1" of="$2/read" bs=4M count=4 iflag=direct status=none`,
        disk.path,
        directory.path,
      );
      await sh(`cmp "$1/data" "$1/read"; cmp -n 16777216 "$1/data" "$2"`, directory.path, path);
    },
    LIMIT,
  );

  test(
    `the end of the file inside the disk is EIO, and the disk lives on, ${mode}`,
    async () => {
      await using directory = await workDirectory();
      const path = join(directory.path, "image");
      writeFileSync(path, randomBytes(MIB));
      await using disk = await serve(loop({ path }), { mode });
      truncateSync(path, MIB / 2 + 4096 + 512);
      const read = `dd if="$1" of=/dev/null bs=$2 skip=$3 count=1 iflag=direct status=none`;
      expect(await failure(read, disk.path, 65536, 12)).toContain("Input/output error"); // nothing there
      expect(await failure(read, disk.path, 65536, 8)).toContain("Input/output error"); // a part is there
      await sh(read, disk.path, 65536, 7);
      await sh(`dd if=/dev/zero of="$1" bs=64k seek=15 count=1 oflag=direct status=none`, disk.path); // makes it whole again
      await sh(read, disk.path, 65536, 12);
    },
    LIMIT,
  );

  test(
    `discards give the file's blocks back, and zeroing obeys NOUNMAP, ${mode}`,
    async () => {
      await using directory = await workDirectory();
      const path = join(directory.path, "image");
      await using disk = await serve(loop({ path, create: 16 * MIB }), { mode });
      const blocks = (): number => statSync(path).blocks * 512;
      const fill = () => sh(`head -c 16M /dev/urandom > "$1"; sync "$1"`, disk.path);
      const isZero = (from: number) => sh(`cmp -n $2 -i $2:0 "$1" /dev/zero`, disk.path, from);
      await fill();
      const full = blocks();
      expect(full).toBeGreaterThanOrEqual(16 * MIB);
      await sh(`blkdiscard -o 8M -l 8M "$1"`, disk.path);
      expect(blocks()).toBeLessThan(full - 7 * MIB);
      await isZero(8 * MIB);
      await fill();
      await sh(`blkdiscard -z -o 8M -l 8M "$1"`, disk.path);
      expect(blocks()).toBeGreaterThanOrEqual(16 * MIB); // BLKZEROOUT keeps the blocks
      await isZero(8 * MIB);
      await fill();
      await sh(`fallocate -p -o 8M -l 8M "$1"`, disk.path);
      expect(blocks()).toBeLessThan(full - 7 * MIB);
      await isZero(8 * MIB);
    },
    LIMIT,
  );

  test(
    `where the file system cannot zero a range, zeros are written, ${mode}`,
    async () => {
      await using directory = await workDirectory("/tmp"); // tmpfs punches holes, and no more
      const path = join(directory.path, "image");
      await using disk = await serve(loop({ path, create: 8 * MIB }), { mode });
      await sh(
        `head -c 8M /dev/urandom > "$1"; sync "$1"; blkdiscard -z -o 1M -l 3M "$1"; cmp -n 3145728 -i 1048576:0 "$1" /dev/zero`,
        disk.path,
      );
      await sh(`cmp "$1" "$2"`, disk.path, path);
      await failure(`cmp -n 4096 "$1" /dev/zero`, disk.path);
    },
    LIMIT,
  );
}

const traced = requires(haveUblk() && isRoot() && existsSync(TRACING), "needs ublk, root and tracefs");

traced(
  "FLUSH and FUA reach the file as a sync, other writes do not",
  async () => {
    await using directory = await workDirectory();
    await using disk = await serve(loop({ path: join(directory.path, "image"), create: 4 * MIB, direct: false }));
    await sh(`mountpoint -q ${TRACING} || mount -t tracefs tracefs ${TRACING}`);
    const event = `${TRACING}/events/ext4/ext4_sync_file_enter/enable`;
    const syncs = async (command: string): Promise<number> => {
      await sh(`echo > ${TRACING}/trace; echo 1 > ${event}; ${command}; echo 0 > ${event}`, disk.path);
      return readFileSync(`${TRACING}/trace`, "utf8")
        .split("\n")
        .filter((line) => line.includes("ext4_sync_file_enter")).length;
    };
    expect(await syncs(`dd if=/dev/zero of="$1" bs=4k count=8 oflag=direct status=none`)).toBe(0);
    expect(await syncs(`dd if=/dev/zero of="$1" bs=4k count=8 oflag=direct conv=fsync status=none`)).toBe(1);
    expect(await syncs(`dd if=/dev/zero of="$1" bs=4k count=8 oflag=direct,dsync status=none`)).toBeGreaterThanOrEqual(8);
  },
  LIMIT,
);

ublkTest(false)(
  "a read-only file becomes a read-only disk",
  async () => {
    await using directory = await workDirectory();
    const path = join(directory.path, "image");
    writeFileSync(path, randomBytes(MIB));
    await using disk = await serve(loop({ path, readOnly: true }));
    expect(await sh(`blockdev --getro "$1"`, disk.path)).toBe("1");
    await sh(`cmp "$1" "$2"`, disk.path, path);
    expect(await failure(`dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct status=none`, disk.path)).toMatch(
      /not permitted|Read-only|denied/,
    );
  },
  LIMIT,
);

ublkTest(false)(
  "a block device is served, and refused while it is mounted or held",
  async () => {
    await using directory = await workDirectory();
    const file = join(directory.path, "file");
    await sh(`truncate -s 32M "$1"`, file);
    const device = await sh(`losetup -f --show --direct-io=on "$1"`, file);
    try {
      await sh(`mkfs.ext4 -q "$1"; mkdir "$2/mnt"; mount "$1" "$2/mnt"`, device, directory.path);
      await expect(serve(loop({ path: device }))).rejects.toThrow(
        new RegExp(`loop: path '${device}': EBUSY \\(the device is mounted at .*umount`),
      );
      await sh(`umount "$1/mnt"`, directory.path);
      await expect(serve(loop({ path: file }))).rejects.toThrow(/EBUSY \(it is attached to \/dev\/loop.*losetup -d/);
      let backing: LoopBacking | undefined;
      await using disk = await serve(loop({ path: device, opened: (b) => (backing = b) }));
      expect(backing).toMatchObject({ kind: "block device", direct: true, size: 32 * MIB });
      await expect(serve(loop({ path: device }))).rejects.toThrow(/EBUSY.*in use/);
      await sh(`mount "$1" "$2/mnt"; cp -r src "$2/mnt/"; umount "$2/mnt"; e2fsck -fn "$1"`, disk.path, directory.path);
      await sh(
        `head -c 8M /dev/urandom > "$1"; blkdiscard -l 4M "$1"; blkdiscard -z -o 4M -l 2M "$1"; cmp -n 6291456 "$1" /dev/zero`,
        disk.path,
      );
      await sh(`cmp "$1" "$2"`, disk.path, file);
      expect(statSync(file).blocks * 512).toBeLessThan(32 * MIB - 3 * MIB);
      await disk.stop();
    } finally {
      await sh(`umount "$2/mnt" 2>/dev/null || true; losetup -d "$1"`, device, directory.path);
    }
    expect(ublkNodes()).toEqual([]);
  },
  LIMIT,
);
