// usual kernels: the newest
import { afterEach, describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { FEATURES, readState } from "uring-ublk/ublk";
import { cli } from "../support/cli.ts";
import { haveUblk, isRoot, requires, ublkTest } from "../support/requires.ts";
import { addStrangeDevice } from "./stranger.ts";

const t = requires(haveUblk() && isRoot(), "needs root and a kernel with ublk");
const long = isRoot() ? ublkTest(false) : t;

interface Server {
  readonly id: number;
  readonly process: Bun.Subprocess;
}
const servers: Server[] = [];

/** Starts a server in a process of its own, and waits until its disk is there. */
async function startServer(...words: string[]): Promise<Server> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "server.ts"), ...words], {
    stdout: "pipe",
    stderr: "inherit",
  });
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const server = { id: Number.parseInt(text, 10), process: child };
    servers.push(server);
    return server;
  }
  throw new Error(`the server ended with status ${await child.exited} before its disk was there`);
}

async function killHard({ process, id }: Server): Promise<void> {
  process.kill("SIGKILL");
  await process.exited;
  while (existsSync(`/dev/ublkb${id}`)) await Bun.sleep(10);
}

async function listed(id: number): Promise<Record<string, unknown> | undefined> {
  const { status, stdout } = await cli("list", "--json");
  expect(status).toBe(0);
  return (JSON.parse(stdout) as Record<string, unknown>[]).find((device) => device.id === id);
}

afterEach(async () => {
  for (const { process } of servers) {
    process.kill("SIGKILL");
    await process.exited;
  }
  if (servers.length > 0) await cli("del", "--all");
  servers.length = 0;
});

describe("uring-ublk list", () => {
  t("tells what a live device is, and whose", async () => {
    const { id, process } = await startServer();
    expect(await listed(id)).toEqual({
      id,
      path: `/dev/ublkb${id}`,
      state: "live",
      pid: process.pid,
      alive: true,
      ours: true,
      module: null,
      queues: 1,
      depth: 16,
      size: 16 * 2 ** 20,
      unprivileged: false,
      owner: { uid: 0, gid: 0 },
    });
    const { stdout } = await cli("list");
    expect(stdout).toMatch(new RegExp(`^${id} +/dev/ublkb${id} +live +${process.pid} +1 +16 +16 MiB +uring-ublk$`, "m"));
  });

  ublkTest(false)("prints an empty array, or says so, when there is nothing", async () => {
    expect(await cli("list", "--json")).toEqual({ status: 0, stdout: "[]\n", stderr: "" });
    expect(await cli("list")).toEqual({
      status: 0,
      stdout: "",
      stderr: "uring-ublk: there are no ublk devices\n",
    });
  });
});

describe("uring-ublk del", () => {
  long("deletes what a killed server left, with its state file", async () => {
    const server = await startServer();
    await killHard(server);
    expect(await listed(server.id)).toMatchObject({
      state: "dead",
      pid: server.process.pid,
      alive: false,
      ours: true,
      size: 16 * 2 ** 20,
    });
    expect((await cli("list")).stdout).toContain(`${server.process.pid} (gone)`);
    const { status, stdout, stderr } = await cli("del", String(server.id));
    expect([status, stdout, stderr]).toEqual([0, "", `uring-ublk: device ${server.id} is deleted\n`]);
    expect(existsSync(`/dev/ublkc${server.id}`)).toBe(false);
    expect(readState(server.id)).toBeUndefined();
  });

  t("refuses a device with a live server, unless forced", async () => {
    const { id, process } = await startServer();
    const refused = await cli("del", `/dev/ublkb${id}`);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(`device ${id} has a live server, process ${process.pid}: end that process (kill ${process.pid})`);
    expect(existsSync(`/dev/ublkb${id}`)).toBe(true);
    expect(await cli("del", String(id), "--force")).toMatchObject({
      status: 0,
      stderr: `uring-ublk: device ${id} is deleted\n`,
    });
    expect(existsSync(`/dev/ublkc${id}`)).toBe(false);
    // The server notices that its disk is gone, and has nothing left to live for.
    expect(await process.exited).toBe(0);
  });

  long("says what helps when a live server does not answer", async () => {
    const { id, process } = await startServer("stuck");
    const writer = Bun.spawn(["dd", "if=/dev/zero", `of=/dev/ublkb${id}`, "bs=4k", "count=1", "oflag=direct"], { stderr: "ignore" });
    await Bun.sleep(500);
    const { status, stderr } = await cli("del", String(id), "--force", "--timeout", "1");
    expect(stderr).toContain(`device ${id} did not stop in 1 s`);
    expect(stderr).toContain(`kill -9 ${process.pid}`);
    expect(status).toBe(1);
    // Nor does a list wait for what the device is stuck in.
    expect(await listed(id)).toMatchObject({ pid: process.pid, alive: true });
    process.kill("SIGKILL");
    expect(await writer.exited).not.toBe(0);
    while (existsSync(`/dev/ublkb${id}`)) await Bun.sleep(10);
    expect(await cli("del", String(id))).toMatchObject({ status: 0 });
  });

  long("with --all leaves live servers alone", async () => {
    const [live, dead] = [await startServer(), await startServer()];
    await killHard(dead);
    const { status, stderr } = await cli("del", "--all");
    expect(stderr).toContain(`left alone: device ${live.id} has a live server`);
    expect(stderr).toContain(`device ${dead.id} is deleted`);
    expect(status).toBe(0);
    expect(await listed(live.id)).toMatchObject({ state: "live" });
    expect(await listed(dead.id)).toBeUndefined();
  });

  long("refuses a device that another program made, unless forced", async () => {
    const id = await addStrangeDevice();
    expect(await listed(id)).toMatchObject({ state: "dead", ours: false, pid: null, size: null });
    const refused = await cli("del", String(id));
    expect(refused).toMatchObject({
      status: 1,
      stderr: `uring-ublk: device ${id} was not made by uring-ublk; --force deletes it all the same\n`,
    });
    expect((await cli("del", "--all", "--force")).stderr).toBe("uring-ublk: there is nothing to delete\n");
    expect(await cli("del", String(id), "--force")).toMatchObject({ status: 0 });
    expect(await listed(id)).toBeUndefined();
  });

  t("says so when there is no such device", async () => {
    expect(await cli("del", "777")).toEqual({
      status: 1,
      stdout: "",
      stderr: "uring-ublk: there is no device 777; uring-ublk list shows what there is\n",
    });
  });

  ublkTest(false)("names who still uses the block device", async () => {
    const server = await startServer();
    const reader = Bun.spawn(["sh", "-c", 'exec 3<"$0"; echo open; sleep 1000', `/dev/ublkb${server.id}`], {
      stdout: "pipe",
    });
    await reader.stdout.getReader().read();
    await killHard(server);
    const { status, stderr } = await cli("del", String(server.id));
    reader.kill("SIGKILL");
    expect(stderr).toMatch(
      new RegExp(`device ${server.id} is stopped, but somebody still uses /dev/ublkb${server.id}: open in process ${reader.pid} `),
    );
    expect(status).toBe(1);
  });
});

describe("uring-ublk features", () => {
  t("tells of every flag whether this driver has it", async () => {
    const { status, stdout } = await cli("features", "--json");
    expect(status).toBe(0);
    const { mask, flags } = JSON.parse(stdout) as {
      mask: number;
      flags: { name: string; bit: number; supported: boolean }[];
    };
    expect(flags.map(({ name }) => name)).toEqual(FEATURES.map(({ name }) => name));
    for (const { bit, supported } of flags) expect(supported).toBe(Math.floor(mask / bit) % 2 === 1);
    expect((await cli("features")).stdout).toMatch(/^yes +USER_COPY +6\.5 +data moves by pread/m);
  });
});
