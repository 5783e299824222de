// file timeout: 1200 s
// usual kernels: the newest
/** Kinds of disk that not every kernel has, made by the command. */
import { describe, expect } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cli } from "../support/cli.ts";
import { sh } from "../support/disk-tools.ts";
import { kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { added, aroundServers, ended, folder, json, nothingLeft } from "./support.ts";

aroundServers();

const image = join(folder, "disk.img");
const zonedTest = kernelAtLeast("6.6") ? ublkTest(false) : requires(false, "needs ublk with ZONED (Linux 6.6)");
const integrityTest = kernelAtLeast("7.0") ? ublkTest(false) : requires(false, "needs ublk with INTEGRITY (Linux 7.0)");

/** Conditions of a disk's zones. */
const conditions = async (path: string): Promise<string> =>
  [...(await sh(`blkzone report "$1"`, path)).matchAll(/\((nw|em|oi|oe|cl|fu)\)/g)].map(([, condition]) => condition).join(" ");

describe("uring-ublk add zoned", () => {
  zonedTest("makes a disk with zones in memory, which is gone with its server", async () => {
    const { id, path, pid } = await added("zoned", "--size", "16MiB", "--conventional", "1", "--max-open", "2");
    expect(await conditions(path)).toBe("nw em em em");
    await sh(`dd if=/dev/urandom of="$1" bs=64k count=1 seek=64 oflag=direct status=none`, path);
    expect(await conditions(path)).toBe("nw oi em em");
    expect(readFileSync(`/sys/block/ublkb${id}/queue/max_open_zones`, "utf8").trim()).toBe("2");
    expect(await json("stop", String(id))).toEqual({ id, stopped: true, deleted: true });
    await ended(pid);
    nothingLeft();
  });

  zonedTest("makes one in a file, which a server that is killed leaves to another, and the file to the next", async () => {
    const words = ["zoned", image, "--size", "8MiB", "--zone-size", "2MiB", "--zone-capacity", "1MiB"];
    const first = await added(...words, "--recovery", "queue");
    await sh(`dd if=/dev/urandom of="$1" bs=1M count=1 oflag=direct status=none`, first.path);
    process.kill(first.pid, "SIGKILL");
    await ended(first.pid);
    const second = await json<{ pid: number }>("recover", String(first.id), "--daemon");
    expect(await conditions(first.path)).toBe("fu em em em");
    process.kill(second.pid, "SIGTERM");
    await ended(second.pid);
    nothingLeft();
    const third = await added(...words);
    expect(await conditions(third.path)).toBe("fu em em em");
    process.kill(third.pid, "SIGTERM");
    await ended(third.pid);
    nothingLeft();
    for (const name of [image, `${image}.zones`]) rmSync(name);
  });

  zonedTest("says what is wrong with zones that no disk can have, and nothing stays", async () => {
    const { status, stderr } = await cli("add", "zoned", image, "--size", "9MiB");
    expect([status, stderr]).toEqual([1, expect.stringContaining("size is 9437184 bytes; it must be whole zones of 4194304")]);
    expect(await sh(`ls "$1"* 2>/dev/null || true`, image)).toBe("");
    nothingLeft();
  });
});

describe("uring-ublk add integrity", () => {
  integrityTest("makes a disk whose blocks are checked: what was written is read, and what was spoilt is not", async () => {
    const sums = join(folder, "sums");
    const { id, path, pid } = await added("integrity", image, "--create", "8MiB", "--checksum", "crc64-nvme", "--metadata-path", sums);
    expect(readFileSync(`/sys/block/ublkb${id}/integrity/format`, "utf8").trim()).toBe("EXT-DIF-TYPE1-CRC64");
    const data = join(folder, "data");
    await sh(
      `head -c 1M /dev/urandom > "$2"; dd if="$2" of="$1" bs=64k oflag=direct conv=notrunc status=none
       dd if="$1" bs=64k count=16 iflag=direct status=none | cmp - "$2"`,
      path,
      data,
    );
    const spoilt = readFileSync(image);
    spoilt[5 * 4096]! ^= 1;
    writeFileSync(image, spoilt, { flag: "r+" });
    const read = (block: number): string => `dd if="$1" of=/dev/null bs=4k skip=${block} count=1 iflag=direct status=none`;
    await sh(read(4), path);
    expect(await sh(`${read(5)} 2>&1 || echo refused`, path)).toContain("refused");
    process.kill(pid, "SIGTERM");
    await ended(pid);
    nothingLeft();
    for (const name of [image, sums, data]) rmSync(name);
  });
});
