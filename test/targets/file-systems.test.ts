// usual kernels: the newest
// file timeout: 600 s
import { expect } from "bun:test";
import { join } from "node:path";
import { type DataMode, serve, type UblkDevice } from "uring-ublk";
import { type LoopOptions, loop, memory } from "uring-ublk/targets";
import { type FileSystem, fileSystemRoundTrip, fioVerify, sh, ublkNodes, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, isFullRun, kernelAtLeast, requires } from "../support/requires.ts";

type Run = "always" | "full";

/** `test`, where this kernel has the mode and this run is thorough enough for the row. */
function testFor(run: Run, mode: DataMode = "copy") {
  if (!haveUblk()) return requires(false, "needs a kernel with ublk");
  if (mode !== "copy" && !kernelAtLeast("6.16")) return requires(false, "needs ublk with AUTO_BUF_REG (Linux 6.16)");
  return requires(run === "always" || isFullRun(), "runs with npm run test:full");
}

const LIMIT = 180_000; // an emulated machine, and neighbours
const SIZE = { ext4: 48 * 2 ** 20, xfs: 320 * 2 ** 20 } as const;

type Where = "calling thread" | "Workers";

async function serveMemory(size: number, where: Where, queues: number): Promise<UblkDevice> {
  return where === "Workers" ? serve(memory.url, { queues, options: { size } }) : serve(memory({ size }), { queues });
}

async function serveLoop(options: LoopOptions, mode: DataMode, where: Where, queues: number): Promise<UblkDevice> {
  return where === "Workers" ? serve(loop.url, { mode, queues, options }) : serve(loop(options), { mode, queues });
}

const MEMORY: readonly [Run, FileSystem, Where, number][] = [
  ["full", "ext4", "calling thread", 1],
  ["full", "xfs", "Workers", 2],
  ["full", "xfs", "calling thread", 2],
  ["full", "ext4", "Workers", 1],
];

for (const [run, kind, where, queues] of MEMORY) {
  testFor(run)(
    `${kind} lives on the memory disk, ${queues} queue(s), ${where}`,
    async () => {
      await using disk = await serveMemory(SIZE[kind], where, queues);
      const { read, expected } = await fileSystemRoundTrip(disk.path, kind);
      expect(read).toBe(expected);
      await disk.stop();
      expect(ublkNodes()).toEqual([]);
    },
    LIMIT,
  );
}

const LOOP: readonly [Run, FileSystem, DataMode, Where, number, LoopOptions["direct"]][] = [
  ["full", "ext4", "copy", "calling thread", 1, true],
  ["full", "xfs", "copy", "Workers", 2, true],
  ["full", "ext4", "copy", "Workers", 1, false],
  ["full", "xfs", "auto-buf-reg", "calling thread", 1, true],
  ["always", "ext4", "auto-buf-reg", "Workers", 2, true],
  ["full", "ext4", "auto-buf-reg", "calling thread", 2, false],
];

for (const [run, kind, mode, where, queues, direct] of LOOP) {
  testFor(run, mode)(
    `${kind} lives on the loop disk, ${mode}, ${queues} queue(s), ${where}, direct ${direct}`,
    async () => {
      await using directory = await workDirectory();
      const path = join(directory.path, "image");
      await using disk = await serveLoop({ path, create: SIZE[kind], direct }, mode, where, queues);
      const { read, expected } = await fileSystemRoundTrip(disk.path, kind);
      expect(read).toBe(expected);
      if (kind === "ext4") await sh(`cmp "$1" "$2"`, disk.path, path);
      await disk.stop();
      expect(ublkNodes()).toEqual([]);
      // The file itself is the file system now.
      await sh(kind === "ext4" ? `e2fsck -fn "$1"` : `xfs_repair -n "$1"`, path);
    },
    LIMIT,
  );
}

testFor("always")(
  "four jobs of random writes verify on the memory disk in two Workers",
  async () => {
    await using disk = await serveMemory(64 * 2 ** 20, "Workers", 2);
    await fioVerify(disk.path);
  },
  LIMIT,
);

const VERIFIED: readonly [Run, DataMode, Where, number, readonly string[]][] = [
  ["full", "copy", "Workers", 2, ["--bsrange=512-32k", "--blockalign=512"]],
  ["full", "auto-buf-reg", "calling thread", 1, []],
  ["full", "auto-buf-reg", "Workers", 2, []],
];

for (const [run, mode, where, queues, options] of VERIFIED) {
  testFor(run, mode)(
    `four jobs of random writes verify on the loop disk, ${mode}, ${where}`,
    async () => {
      await using directory = await workDirectory();
      const path = join(directory.path, "image");
      await using disk = await serveLoop({ path, create: "64 MiB" }, mode, where, queues);
      await fioVerify(disk.path, options);
    },
    LIMIT,
  );
}
