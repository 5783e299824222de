// usual kernels: none
// file timeout: 900 s
/** A server that has little memory: it is slow, and every byte is right; or the kernel kills it, and nobody waits for it. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cli } from "../support/cli.ts";
import { sh, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, requires, ublkTest } from "../support/requires.ts";
import { fioToItsEnd } from "./support/fio.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";
import { Server } from "./support/server.ts";

setDefaultTimeout(400_000); // an emulated machine, and neighbours
const ROOT = "/sys/fs/cgroup";
const hasGroups = existsSync(`${ROOT}/cgroup.controllers`) && readFileSync(`${ROOT}/cgroup.controllers`, "utf8").includes("memory");
const test = haveUblk() && !hasGroups ? requires(false, "needs cgroup v2 with the memory controller") : ublkTest(false);

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** A memory cgroup, gone at the end. */
async function group(limits: Record<string, string>): Promise<{ path: string; events: () => string } & AsyncDisposable> {
  const path = `${ROOT}/uring-ublk-test`;
  await sh(`echo +memory > "$1/cgroup.subtree_control"; mkdir "$2"`, ROOT, path);
  for (const [name, value] of Object.entries(limits)) await Bun.write(join(path, name), value);
  return {
    path,
    events: () => readFileSync(join(path, "memory.events"), "utf8"),
    [Symbol.asyncDispose]: async () => void (await sh(`rmdir "$1"`, path)),
  };
}

const count = (events: string, name: string): number => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(events)?.[1] ?? 0);

test("memory.high: a file as a disk, written through the page cache, is whole", async () => {
  await using directory = await workDirectory();
  await using small = await group({ "memory.high": "96M" });
  await using server = await Server.start("memory-server.ts", ["loop", join(directory.path, "img")]);
  await Bun.write(join(small.path, "cgroup.procs"), String(server.child.pid));
  const load = { rw: "randwrite", bs: "64k", iodepth: 8, size: "192m", verify: "crc32c", do_verify: 1, verify_fatal: 1 } as const;
  expect(await fioToItsEnd(server.path, load, 300_000)).toBe(0);
  expect(count(small.events(), "high")).toBeGreaterThan(0);
  server.child.kill("SIGTERM");
  expect(await server.end()).toMatchObject({ status: 143, stderr: "" });
  await until(() => readFileSync(join(small.path, "cgroup.procs"), "utf8") === "", "empty");
});

test("memory.max: a server that the kernel kills fails its clients at once, and its device can be deleted", async () => {
  await using small = await group({ "memory.max": "160M", "memory.swap.max": "0" });
  await using server = await Server.start("memory-server.ts", ["memory"]);
  await Bun.write(join(small.path, "cgroup.procs"), String(server.child.pid));
  const load = { rw: "write", bs: "64k", iodepth: 8, size: "1g" } as const; // all of it takes memory of the server
  expect(await fioToItsEnd(server.path, load, 200_000)).toBeGreaterThan(0);
  expect(await server.end()).toMatchObject({ signal: "SIGKILL" });
  expect(count(small.events(), "oom_kill")).toBe(1);
  const id = /\d+$/.exec(server.path)![0];
  await until(() => !devices().includes(`ublkb${id}`), "free of the block device", 30_000);
  expect(await cli("del", id)).toMatchObject({ status: 0 });
  await until(() => readFileSync(join(small.path, "cgroup.procs"), "utf8") === "", "empty");
});
