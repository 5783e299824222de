// usual kernels: the newest
import { expect, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { failure, sh, ublkNodes, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { runExample, startExample } from "./program.ts";

const t = requires(haveUblk(), "needs a kernel with ublk");
const LIMIT = 180_000; // an emulated machine, and neighbours
/** The status of a program that Ctrl-C ended, as shells count. */
const INTERRUPTED = 130;
const PROGRAMS = ["http", "loop", "memory", "nbd", "null"] as const;

test("every example is known to this file", () => {
  const folders = readdirSync("examples", { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const bundled = folders.map((entry) => entry.name).filter((name) => [...PROGRAMS, "hello-disk"].includes(name));
  expect(bundled.sort()).toEqual(["hello-disk", ...PROGRAMS].sort());
});

ublkTest(false)(
  "bad values end with status 1, a clear message and no device",
  async () => {
    const cases: readonly [string, string[], RegExp][] = [
      ["loop", ["/no/such/image"], /loop: path '\/no\/such\/image': ENOENT .*there is no such file/],
      ["http", ["http://localhost:1/x"], /cannot be reached/],
      ["nbd", ["127.0.0.1:1/x"], /nbd: server '127.0.0.1:1\/x': EIO \(.*ECONNREFUSED/],
      ["null", ["--queues", "4000"], /queues is 4000, but this machine has \d+ CPUs/],
      ["memory", ["--size", "100"], /size is 100 bytes/],
      ["null", ["--depth", "5000"], /depth is 5000; it must be an integer from 1 to 4096/],
      ...(kernelAtLeast("6.16") ? [] : ([["null", ["--mode", "auto"], /AUTO_BUF_REG/]] as [string, string[], RegExp][])),
    ];
    for (const [name, args, message] of cases) {
      const { status, out, err } = await runExample(name, ...args);
      expect({ status, out }).toEqual({ status: 1, out: "" });
      expect(err).toMatch(message);
      expect(err).not.toContain("    at ");
    }
    expect(ublkNodes()).toEqual([]);
  },
  LIMIT,
);

t(
  "null, ready in one line, serves in Workers and on its own thread, and Ctrl-C removes the disk",
  async () => {
    for (const [args, signal, status] of [
      [["--queues", "2", "--quiet-ready"], "SIGINT", INTERRUPTED],
      [["--mode", "copy", "--id", "7"], "SIGTERM", 143],
    ] as const) {
      await using program = await startExample("null", "--size", "1 GiB", ...args);
      expect(program.line).toBe(`ready ${program.device}`);
      await sh(`dd if=/dev/zero of="$1" bs=1M count=8 oflag=direct status=none`, program.device);
      expect(await program.end(signal)).toBe(status);
      expect(ublkNodes()).toEqual([]);
    }
  },
  LIMIT,
);

ublkTest(false)(
  "memory is a disk that a file system lives on, and Ctrl-C removes it",
  async () => {
    await using directory = await workDirectory("/tmp");
    await using program = await startExample("memory", "--size", "64m", "--workers");
    await sh(
      `mkfs.ext4 -q "$1"; mount "$1" "$2"; cp -r examples "$2/"; diff -r examples "$2/examples"; umount "$2"; e2fsck -fn "$1"`,
      program.device,
      directory.path,
    );
    expect(await program.end("SIGINT")).toBe(INTERRUPTED);
    expect(ublkNodes()).toEqual([]);
  },
  LIMIT,
);

ublkTest(false)(
  "nbd is the disk that nbd-server has, and Ctrl-C ends them",
  async () => {
    await using directory = await workDirectory("/tmp");
    const image = join(directory.path, "image");
    await sh(`truncate -s 64m "$1"; mkdir "$2/mnt"`, image, directory.path);
    await using server = await startExample("nbd-server", "--file", image, "--port", "0", "--export", "e");
    const [address] = /[0-9.]+:\d+$/.exec(server.line)!;
    await using program = await startExample("nbd", `${address}/e`, "--timeout-ms", "60000", "--workers");
    await sh(`mkfs.ext4 -q "$1"; mount "$1" "$2/mnt"; cp -r examples "$2/mnt/"; umount "$2/mnt"`, program.device, directory.path);
    expect(await program.end("SIGINT")).toBe(INTERRUPTED);
    expect(await server.end("SIGINT")).toBe(0);
    expect(ublkNodes()).toEqual([]);
    await sh(`e2fsck -fn "$1"; mount -o loop,ro "$1" "$2/mnt"; diff -r examples "$2/mnt/examples"; umount "$2/mnt"`, image, directory.path);
  },
  LIMIT,
);

t(
  "loop makes its file, serves it, and leaves it whole after Ctrl-C",
  async () => {
    await using directory = await workDirectory();
    const path = join(directory.path, "image");
    await using program = await startExample("loop", path, "--create", "64m", "--direct", "auto", "--queues", "2");
    expect(statSync(path).size).toBe(64 * 2 ** 20);
    await sh(
      `mkfs.ext4 -q "$1"; mkdir "$2/mnt"; mount "$1" "$2/mnt"; cp -r examples "$2/mnt/"; umount "$2/mnt"`,
      program.device,
      directory.path,
    );
    const second = await runExample("loop", path);
    expect(second.status).toBe(1);
    expect(second.err).toMatch(/EBUSY \(it is locked: another process/);
    expect(await program.end("SIGINT")).toBe(INTERRUPTED);
    expect(ublkNodes()).toEqual([]);
    await sh(
      `e2fsck -fn "$1/image"; mount -o loop,ro "$1/image" "$1/mnt"; diff -r examples "$1/mnt/examples"; umount "$1/mnt"`,
      directory.path,
    );

    await using reader = await startExample("loop", path, "--read-only", "--direct", "no");
    expect(await failure(`mkfs.ext4 -F -q "$1"`, reader.device)).toMatch(/read-only|not permitted|denied/i);
    expect(await reader.end("SIGTERM")).toBe(143);
  },
  LIMIT,
);

t(
  "hello-disk is a disk in twelve lines",
  async () => {
    await using directory = await workDirectory("/tmp");
    await using program = await startExample("hello-disk");
    expect(program.line).toBe(`${program.device} is ready`);
    await sh(
      `mkfs.ext4 -q "$1"; mount "$1" "$2"; cp -r examples "$2/"; diff -r examples "$2/examples"; umount "$2"; e2fsck -fn "$1"`,
      program.device,
      directory.path,
    );
    expect(await program.end("SIGINT")).toBe(INTERRUPTED);
    expect(ublkNodes()).toEqual([]);
  },
  LIMIT,
);
