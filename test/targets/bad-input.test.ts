import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Geometry, Op, serve } from "uring-ublk";
import { type LoopOptions, loop, memory, nullDisk } from "uring-ublk/targets";
import { deviceNumber, mountPoints } from "../../src/targets/loop/block-device.ts";
import { sh, ublkNodes } from "../support/disk-tools.ts";
import { haveUblk, requires } from "../support/requires.ts";

const t = requires(haveUblk(), "needs a kernel with ublk");
const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "bad-input-"));
  directories.push(path);
  return path;
}

/** What a target says before anything of ublk is touched. */
async function open(options: unknown, target: unknown = loop): Promise<Geometry> {
  return (target as (options: unknown) => { open(options: undefined): Geometry })(options).open(undefined);
}

describe("the loop disk refuses", () => {
  test("a file that is not there, and says how to make it", async () => {
    await expect(open({ path: "/no/such/image" })).rejects.toThrow(
      /loop: path '\/no\/such\/image': ENOENT \(there is no such file.*create/,
    );
  });

  test("a directory, a character device and an empty file", async () => {
    const empty = join(directory(), "empty");
    writeFileSync(empty, "");
    await expect(open({ path: "/etc" })).rejects.toThrow(/loop: path '\/etc': EINVAL \(it is a directory/);
    await expect(open({ path: "/dev/null" })).rejects.toThrow(/no regular file and no block device/);
    await expect(open({ path: empty })).rejects.toThrow(/it has 0 bytes, less than one block of 512/);
  });

  test("a misspelt option, and names the right one", async () => {
    await expect(open({ path: "x", diret: true })).rejects.toThrow("loop: there is no option 'diret'; did you mean 'direct'?");
  });

  test("values out of range", async () => {
    const bad: readonly [Partial<Record<keyof LoopOptions, unknown>>, RegExp][] = [
      [{}, /loop: path is undefined/],
      [{ path: "" }, /loop: path is ''/],
      [{ path: "x", direct: "yes" }, /loop: direct is 'yes'/],
      [{ path: "x", readOnly: 1 }, /loop: readOnly is 1/],
      [{ path: "x", blockSize: 700 }, /loop: blockSize is 700/],
      [{ path: "x", create: "5 parsecs" }, /loop: create is '5 parsecs'/],
      [{ path: "x", create: 1000 }, /loop: create is 1000 bytes; it must be a positive multiple of 512/],
      [{ path: "x", create: 4096, readOnly: true }, /create makes an empty file/],
      [{ path: "x", opened: 7 }, /loop: opened is 7/],
    ];
    for (const [options, message] of bad) await expect(open(options)).rejects.toThrow(message);
  });

  test("to make a file over one of another size, or where it cannot", async () => {
    const path = join(directory(), "image");
    writeFileSync(path, Buffer.alloc(8192));
    await expect(open({ path, create: 4096 })).rejects.toThrow(/EEXIST \(it is there already with 8192 bytes, and create asks for 4096/);
    expect(statSync(path).size).toBe(8192);
    await expect(open({ path: "/no/such/directory/image", create: 4096 })).rejects.toThrow(/it cannot be created/);
  });

  test("to leave a half made file behind", async () => {
    const path = join(directory(), "image");
    const failing = (): void => {
      throw new Error("the caller does not like it");
    };
    await expect(open({ path, create: "1 MiB", opened: failing })).rejects.toThrow("the caller does not like it");
    expect(existsSync(path)).toBe(false);
  });

  test("a file that somebody else has locked, and serves it once it is free", async () => {
    const path = join(directory(), "image");
    writeFileSync(path, Buffer.alloc(8192));
    await using holder = Bun.spawn(["flock", "-x", path, "sh", "-c", "echo locked; exec sleep 60"], {
      stdout: "pipe",
    });
    await holder.stdout.getReader().read();
    await expect(open({ path })).rejects.toThrow(/loop: path '.*image': EBUSY \(it is locked: another process.*stop that one/);
    await expect(open({ path, readOnly: true })).rejects.toThrow(/EBUSY/);
    await sh(`pkill -P $1 sleep`, holder.pid);
    await holder.exited;
    expect((await open({ path })).size).toBe(8192);
  });

  test("O_DIRECT that is insisted on where it cannot be", async () => {
    // sysfs has regular files, and no O_DIRECT.
    await expect(open({ path: "/sys/kernel/mm/transparent_hugepage/enabled", readOnly: true, direct: true })).rejects.toThrow(
      /loop: direct 'true': EINVAL|less than one block/,
    );
  });
});

test("the memory disk refuses sizes that are none", async () => {
  await expect(open(undefined, memory)).rejects.toThrow(/memory: size is missing/);
  await expect(open({ size: 0 }, memory)).rejects.toThrow(/memory: size is 0 bytes/);
  await expect(open({ size: 1000 }, memory)).rejects.toThrow(/multiple of the block size \(512\)/);
  await expect(open({ sise: 4096 }, memory)).rejects.toThrow(/did you mean 'size'/);
  await expect(open({ size: "60000 TiB" }, memory)).rejects.toThrow(/memory: size is/);
});

test("the null disk knows its options", async () => {
  await expect(open({ sise: 4096 }, nullDisk)).rejects.toThrow(/did you mean 'size'/);
  expect(Op.READ).toBe(0);
});

test("device numbers and mounts are read as the kernel writes them", async () => {
  expect(deviceNumber(0x801)).toBe("8:1");
  expect(deviceNumber((0x12345 & ~0xff) * 2 ** 12 + (0x103 << 8) + 0x45)).toBe("259:74565");
  const info = "36 35 98:0 / /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw\n37 35 8:1 / /x rw - ext4 /dev/sda1 rw\n";
  expect(mountPoints("98:0", info)).toEqual(["/mnt/a b"]);
  expect(mountPoints("98:1", info)).toEqual([]);
});

t("a refused target leaves no device", async () => {
  await expect(serve(loop({ path: "/no/such/image" }))).rejects.toThrow(/ENOENT/);
  await expect(serve(loop.url, { options: { path: "/no/such/image" } })).rejects.toThrow(/ENOENT/);
  expect(ublkNodes()).toEqual([]);
});
