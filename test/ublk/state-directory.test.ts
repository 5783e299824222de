// usual kernels: the newest
/** A disk is served without a state file too: where there is no room for one, or no place. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cli } from "../support/cli.ts";
import { sh, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, ublkTest } from "../support/requires.ts";
import { devices, stuckProcesses } from "./support/machine.ts";
import { Server } from "./support/server.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const test = ublkTest(true);

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** Serves and stops a disk with its state there; answers what was said. */
async function serveWith(directory: string): Promise<string> {
  await using server = await Server.start("endings-server.ts", [""], { URING_UBLK_STATE_DIR: directory });
  await server.said(/ready/, 60_000);
  const id = Number(/\d+$/.exec(server.path)![0]);
  const { stdout } = await cli("list", "--json");
  expect(JSON.parse(stdout)).toMatchObject([{ id, state: "live", pid: server.child.pid, alive: true, ours: true }]);
  server.child.kill("SIGTERM");
  const { status, stderr } = await server.end();
  expect(status).toBe(143);
  return stderr;
}

test("a full state directory: the disk is served, told of as live, and stopped", async () => {
  await using place = await workDirectory("/dev/shm");
  const full = join(place.path, "full");
  await sh(`mkdir "$1"; mount -t tmpfs -o size=8k tmpfs "$1"; head -c 8k /dev/zero > "$1/filling"`, full);
  try {
    expect(await serveWith(full)).toMatch(
      /^uring-ublk: the state file of device \d+ could not be written, so tools know less of it: ENOSPC/,
    );
    expect(readdirSync(full)).toEqual(["filling"]); // and no half-written one
  } finally {
    await sh(`umount "$1"`, full);
  }
});

test("something else in the state directory's place: the same", async () => {
  await using place = await workDirectory("/dev/shm");
  const file = join(place.path, "file");
  writeFileSync(file, "");
  expect(await serveWith(file)).toMatch(/the state file of device \d+ could not be written.*(ENOTDIR|EEXIST)/);
});
