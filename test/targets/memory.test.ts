// usual kernels: the newest
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { serve } from "uring-ublk";
import { memory, nullDisk } from "uring-ublk/targets";
import { sh, ublkNodes, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";

const t = requires(haveUblk(), "needs a kernel with ublk");
const lending = requires(haveUblk() && kernelAtLeast("6.16"), "needs ublk with AUTO_BUF_REG (Linux 6.16)");
const LIMIT = 180_000; // an emulated machine, and neighbours
const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** This process's resident memory in bytes. */
const resident = (): number => Number(readFileSync("/proc/self/statm", "utf8").split(" ")[1]) * 4096;

ublkTest(false)(
  "a disk of 5 GiB takes memory only where it is written, across its chunks too",
  async () => {
    await using directory = await workDirectory("/tmp");
    await using disk = await serve(memory.url, { queues: 2, options: { size: "5 GiB" } });
    expect(await sh(`blockdev --getsize64 "$1"`, disk.path)).toBe(String(5 * GIB));
    for (const boundary of [1 * GIB, 4 * GIB, 5 * GIB - MIB / 2]) {
      const at = (boundary - MIB / 2) / 512;
      await sh(
        `head -c 1M /dev/urandom > "$2/data"
       dd if="$2/data" of="$1" bs=512 seek=$3 count=2048 status=none conv=fsync
       blockdev --flushbufs "$1"
       dd if="$1" of="$2/read" bs=1M iflag=direct,skip_bytes skip=$(($3 * 512)) count=1 status=none
       cmp "$2/data" "$2/read"`,
        disk.path,
        directory.path,
        at,
      );
    }
    expect(resident()).toBeLessThan(GIB);
  },
  LIMIT,
);

t(
  "what one Worker writes the other reads",
  async () => {
    await using directory = await workDirectory("/tmp");
    await using disk = await serve(memory.url, { queues: 2, options: { size: "16 MiB" } });
    await sh(
      `head -c 8M /dev/urandom > "$2/data"
     taskset -c 0 dd if="$2/data" of="$1" bs=256k oflag=direct status=none
     taskset -c 1 dd if="$1" of="$2/read" bs=256k count=32 iflag=direct status=none
     cmp "$2/data" "$2/read"`,
      disk.path,
      directory.path,
    );
  },
  LIMIT,
);

t(
  "discards give memory back, zeroing works at any sector",
  async () => {
    await using disk = await serve(memory({ size: "64 MiB" }));
    await sh(`head -c 64M /dev/zero | tr '\\0' 'x' | dd of="$1" bs=1M iflag=fullblock oflag=direct status=none`, disk.path);
    const full = resident();
    await sh(`blkdiscard -o 16M -l 48M "$1"`, disk.path);
    expect(resident()).toBeLessThan(full - 40 * MIB);
    await sh(`blkdiscard -z -o 1536 -l 20992 "$1"`, disk.path); // 3 sectors into a page, and 4 beyond another
    const head = await sh(
      `dd if="$1" bs=512 count=64 iflag=direct status=none | tr '\\0' '.' | fold -w 512 | cut -c1 | tr -d '\\n'`,
      disk.path,
    );
    expect(head).toBe(`${"x".repeat(3)}${".".repeat(41)}${"x".repeat(20)}`);
    await sh(`cmp -n 50331648 -i 16777216:0 "$1" /dev/zero`, disk.path);
  },
  LIMIT,
);

t(
  "blocks of 4096 bytes, and the largest request",
  async () => {
    await using directory = await workDirectory("/tmp");
    await using disk = await serve(memory({ size: "32 MiB", blockSize: 4096 }), { maxIo: "8 MiB", depth: 8 });
    const queue = `/sys/block/${disk.path.slice(5)}/queue`;
    expect(await sh(`cat $1/logical_block_size; cat $1/max_hw_sectors_kb; cat $1/max_hw_sectors_kb > $1/max_sectors_kb`, queue)).toBe(
      "4096\n8192",
    );
    await sh(
      `head -c 16M /dev/urandom > "$2/data"; dd if="$2/data" of="$1" bs=8M oflag=direct status=none
     dd if="$1" of="$2/read" bs=8M count=2 iflag=direct status=none; cmp "$2/data" "$2/read"`,
      disk.path,
      directory.path,
    );
  },
  LIMIT,
);

for (const mode of ["copy", "auto-buf-reg"] as const) {
  (mode === "copy" ? t : kernelAtLeast("6.16") ? ublkTest(false) : lending)(
    `the null disk takes everything, ${mode}`,
    async () => {
      await using disk = await serve(nullDisk.url, { mode, options: { size: "1 GiB" } });
      await sh(
        `dd if=/dev/zero of="$1" bs=1M count=32 oflag=direct conv=fsync status=none; dd if="$1" of=/dev/null bs=1M count=32 iflag=direct status=none; blkdiscard "$1"`,
        disk.path,
      );
      await disk.stop();
      expect(ublkNodes()).toEqual([]);
    },
    LIMIT,
  );
}
