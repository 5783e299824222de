// usual kernels: the newest
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, linkSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Geometry, Op, serve } from "uring-ublk";
import { type LoopOptions, loop, memory, mirror, nullDisk, stripe } from "uring-ublk/targets";
import { deviceNumber, mountPoints } from "../../src/targets/files/block-device.ts";
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

/** What a target on several files has open, with its locks. */
const openFiles = (): string[] => readdirSync("/proc/self/fd");

describe.each([
  ["stripe", stripe, "1 to 4"],
  ["mirror", mirror, "2 to 4"],
] as const)("the %s disk refuses", (name, target, count) => {
  const opening = (options: unknown): Promise<Geometry> => open(options, target);

  test("options that are none, and names what is right", async () => {
    const bad: readonly [unknown, string | RegExp][] = [
      [undefined, `${name}: paths is missing; give options such as`],
      [{}, `${name}: paths is undefined; it must be an array of ${count} paths of files or block devices`],
      [{ paths: "/a" }, `${name}: paths is '/a'; it must be an array of ${count} paths`],
      [{ paths: [] }, `${name}: paths has 0 elements; it must be an array of ${count} paths`],
      [{ paths: ["/a", "/b", "/c", "/d", "/e"] }, `${name}: paths has 5 elements`],
      [{ paths: ["/a", 7] }, `${name}: paths[1] is 7; it must be the path`],
      [{ paths: ["/a", "/b", "/a"] }, `${name}: paths[2] is '/a' as paths[0] is; give each file once`],
      [{ path: "/a" }, `${name}: there is no option 'path'; did you mean 'paths'?`],
      [{ paths: ["/a", "/b"], direct: "yes" }, `${name}: direct is 'yes'`],
      [{ paths: ["/a", "/b"], readOnly: 1 }, `${name}: readOnly is 1`],
      [{ paths: ["/a", "/b"], blockSize: 700 }, `${name}: blockSize is 700`],
      [{ paths: ["/a", "/b"], create: 1000 }, `${name}: create is 1000 bytes`],
      [{ paths: ["/a", "/b"], create: "1 MiB", readOnly: true }, `${name}: create makes an empty file`],
    ];
    for (const [options, message] of bad) await expect(opening(options)).rejects.toThrow(message);
  });

  test("the same file twice, by whatever name", async () => {
    const [first, second] = [join(directory(), "a"), join(directory(), "b")];
    writeFileSync(first, Buffer.alloc(65536));
    for (const link of [linkSync, symlinkSync]) {
      link(first, second);
      for (const readOnly of [undefined, true])
        await expect(opening({ paths: [first, second], ...(readOnly ? { readOnly } : {}) })).rejects.toThrow(
          /paths\[1\] '.*b': EINVAL \(it is the same file as paths\[0\], '.*a'; give each file once/,
        );
      rmSync(second);
    }
    const made = directory();
    await expect(opening({ paths: [join(made, "x"), `${made}/./x`], create: 65536 })).rejects.toThrow(/it is the same file as paths\[0\]/);
    expect(readdirSync(made)).toEqual([]);
  });

  test("to make some of the files beside others, and leaves those alone", async () => {
    const [first, second] = [join(directory(), "a"), join(directory(), "b")];
    writeFileSync(first, Buffer.alloc(65536));
    for (const paths of [
      [first, second],
      [second, first],
    ])
      await expect(opening({ paths, create: 65536 })).rejects.toThrow(
        /paths\[\d\] '.*a': EEXIST \(it is there already, and paths\[\d\], '.*b', is not: create makes all of the files or none/,
      );
    expect([existsSync(first), existsSync(second)]).toEqual([true, false]);
  });

  test("to leave anything behind when a later file cannot be had", async () => {
    const made = directory();
    const before = openFiles();
    const good = join(made, "good");
    await expect(opening({ paths: [good, "/no/such/directory/x"], create: 65536 })).rejects.toThrow(
      new RegExp(`${name}: paths\\[1\\] '/no/such/directory/x': ENOENT \\(it cannot be created`),
    );
    expect(readdirSync(made)).toEqual([]);
    writeFileSync(good, Buffer.alloc(65536));
    await expect(opening({ paths: [good, "/no/such/file"] })).rejects.toThrow(
      new RegExp(`${name}: paths\\[1\\] '/no/such/file': ENOENT \\(there is no such file`),
    );
    const small = join(made, "small");
    writeFileSync(small, Buffer.alloc(100));
    await expect(opening({ paths: [good, small] })).rejects.toThrow(
      new RegExp(`${name}: paths\\[1\\] '.*small': EINVAL \\(it has 100 bytes, less than one (chunk|block)`),
    );
    expect(openFiles()).toEqual(before);
    // The lock of the good one is free again.
    await sh(`flock -n -x "$1" true`, good);
  });

  test("a file that somebody else has locked", async () => {
    const paths = [join(directory(), "a"), join(directory(), "b")];
    for (const path of paths) writeFileSync(path, Buffer.alloc(65536));
    await using holder = Bun.spawn(["flock", "-x", paths[1]!, "sh", "-c", "echo locked; exec sleep 60"], { stdout: "pipe" });
    await holder.stdout.getReader().read();
    await expect(opening({ paths })).rejects.toThrow(new RegExp(`${name}: paths\\[1\\] '.*b': EBUSY \\(it is locked: another process`));
    await sh(`pkill -P $1 sleep`, holder.pid);
    await holder.exited;
    const opened = (await opening({ paths })) as Geometry & { shared: never };
    expect(opened.size).toBe(name === "stripe" ? 131072 : 65536);
    await (target as unknown as (options: unknown) => { close(shared: never): void })({}).close(opened.shared);
    await sh(`flock -n -x "$1" true; flock -n -x "$2" true`, ...paths);
  });
});

test("the stripe disk refuses chunks that are none, and files that are less", async () => {
  const paths = ["/a", "/b"];
  for (const chunk of [0, 2048, 6144, "512 MiB"])
    await expect(open({ paths, chunk }, stripe)).rejects.toThrow(/stripe: chunk is \d+ bytes; it must be a power of two from 4096 to/);
  await expect(open({ paths, chunk: "64 pigs" }, stripe)).rejects.toThrow(/stripe: chunk is '64 pigs'/);
  await expect(open({ paths, create: 4096 }, stripe)).rejects.toThrow(/stripe: create is 4096 bytes, less than one chunk of 65536/);
  const files = [join(directory(), "a"), join(directory(), "b")];
  for (const path of files) writeFileSync(path, Buffer.alloc(20_000));
  await expect(open({ paths: files }, stripe)).rejects.toThrow(
    /paths\[0\] '.*a': EINVAL \(it has 20000 bytes, less than one chunk of 65536/,
  );
  const { size, ioMin, ioOpt } = await open({ paths: files, chunk: 4096 }, stripe);
  expect({ size, ioMin, ioOpt }).toEqual({ size: 32_768, ioMin: 4096, ioOpt: 8192 });
});

test("the mirror disk refuses a listener that is none", async () => {
  await expect(open({ paths: ["/a", "/b"], degraded: "yes" }, mirror)).rejects.toThrow("mirror: degraded is 'yes'; it must be a function");
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
