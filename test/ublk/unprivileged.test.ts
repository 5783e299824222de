// usual kernels: the newest
// file timeout: 900 s
/** Disks of users who are not root, under the VM's udev with the package's rules: what they can, and what nobody else can with them. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serve } from "uring-ublk";
import { deviceIds, UblkControl } from "uring-ublk/ublk";
import { cli } from "../support/cli.ts";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, inVm, isRoot, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { devices, stuckProcesses } from "./support/machine.ts";
import { Server } from "./support/server.ts";
import { BLOCK, HOLDS } from "./support/slow-target.ts";
import { ALICE, allowUsers, allowWithoutNodes, asUser, BOB, cliAs, forbidUsers, runAs, shAs, userEnv } from "./support/users.ts";

setDefaultTimeout(300_000); // an emulated machine, and neighbours; every command here starts a program or two
const possible = haveUblk() && isRoot() && inVm();
const usual = requires(possible, "needs the VM, whose udev rules are changed");
const full = possible ? ublkTest(false) : usual;
const COMMANDS = join(import.meta.dir, "support/user-commands.ts");
const SERVER = join(import.meta.dir, "support/user-server.ts");

beforeAll(async () => {
  if (possible) await allowUsers();
});
afterAll(async () => {
  if (possible) await forbidUsers();
});
afterEach(async () => {
  if (!haveUblk()) return;
  const left = { devices: devices(), stuck: stuckProcesses() };
  if (possible && left.devices.length > 0) await cli("del", "--all", "--force"); // not the next test's
  expect(left).toEqual({ devices: [], stuck: [] });
});

/** A server of a user's. */
const userServer = (options: object = {}, kind = "memory", uid = ALICE): Promise<Server> =>
  Server.start("user-server.ts", [JSON.stringify({ unprivileged: true, ...options }), kind], userEnv(uid), asUser(uid));

/** What a user's server says that is refused. */
const refusal = async (options: object, kind = "memory"): Promise<string> =>
  (await runAs(ALICE, [process.execPath, SERVER, JSON.stringify({ unprivileged: true, ...options }), kind])).stdout;

const idOf = (path: string): number => Number(/\d+$/.exec(path)![0]);

/** A mebibyte by the user: written, and read again past every cache. */
async function holdsData(path: string): Promise<void> {
  const sums = await shAs(
    ALICE,
    "head -c 1M /dev/urandom > $HOME/data && dd if=$HOME/data of=$1 bs=64k oflag=direct status=none && sha256sum < $HOME/data && dd if=$1 bs=64k count=16 iflag=direct status=none | sha256sum",
    path,
  );
  const [written, read] = sums.split("\n");
  expect(read).toBe(written!);
}

/** What commands of another user, or of root, come to. */
const commandsAs = async (uid: number, id: number, ...words: string[]): Promise<Record<string, string>> => {
  const { stdout, stderr } = await runAs(uid, [process.execPath, COMMANDS, String(id), ...words]);
  expect(stderr).toBe("");
  return JSON.parse(stdout) as Record<string, string>;
};

describe("a user's disk", () => {
  usual("is made, written, read, formatted, looked at, stopped and gone, by its owner alone", async () => {
    const { status, stdout, stderr } = await cliAs(ALICE, "add", "memory", "--size", "64MiB", "--unprivileged", "--json");
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining("its log is /tmp/uring-ublk-user-1000/") });
    const { id, path } = JSON.parse(stdout) as { id: number; path: string };
    await holdsData(path);
    const content = await shAs(
      ALICE,
      'mkfs.ext4 -q -F $1 && echo hers > $HOME/file && debugfs -w -R "write $HOME/file file" $1 2> /dev/null > /dev/null && e2fsck -fn $1 > /dev/null 2>&1 && debugfs -R "cat file" $1 2> /dev/null',
      path,
    );
    expect(content).toBe("hers");
    const [listed] = JSON.parse((await cliAs(ALICE, "list", "--json")).stdout) as Record<string, unknown>[];
    expect(listed).toMatchObject({ id, alive: true, ours: true, unprivileged: true, owner: { uid: ALICE, gid: ALICE } });
    const info = (await cliAs(ALICE, "info", String(id))).stdout;
    expect(info).toContain(`user ${ALICE}, group ${ALICE}, who may open the disk alone, with root`);
    expect(info).toContain("copy");
    expect((await cliAs(ALICE, "doctor")).stdout).toContain("this process may make unprivileged disks only");
    const stopped = await cliAs(ALICE, "stop", String(id));
    expect(stopped).toMatchObject({ status: 0, stderr: expect.stringContaining("its server has deleted it") });
  });

  full("stays its owner's when udev looks again, and goes when its server is killed: the owner deletes what is left", async () => {
    await using server = await userServer();
    const id = idOf(server.path);
    await sh("udevadm trigger --action=change --name-match=$1 && udevadm settle", server.path);
    await holdsData(server.path);
    server.child.kill("SIGKILL");
    await server.end();
    const { stderr } = await cliAs(BOB, "del", String(id), "--force");
    expect(stderr).toContain("another user's");
    expect(await cliAs(ALICE, "del", String(id))).toMatchObject({ status: 0 });
  });

  full("is nobody else's: not to open, not to look at, not to command; root may", async () => {
    await using server = await userServer();
    const id = idOf(server.path);
    const read = ["dd", `if=${server.path}`, "of=/dev/null", "count=1"];
    expect((await runAs(BOB, read)).stderr).toContain("Permission denied");
    // The node's permissions are not all: the kernel asks for the very user and group.
    await sh("chmod 666 $1", server.path);
    expect((await runAs(BOB, read)).stderr).toContain("Operation not permitted");
    expect((await runAs(ALICE, read, BOB)).stderr).toContain("Operation not permitted");
    expect((await runAs(ALICE, read)).status).toBe(0);
    const denied =
      "EACCES: it is another user's: an unprivileged device's owner and root may, once udev has given them its nodes (docs/admin.md)";
    const answers = await commandsAs(BOB, id);
    const { DEL_DEV_ASYNC, SET_PARAMS, ...others } = answers;
    expect(Object.values(others)).toEqual(Object.values(others).map(() => denied));
    expect(SET_PARAMS).toStartWith("EACCES");
    expect(DEL_DEV_ASYNC).toStartWith("EINVAL");
    expect((await cliAs(BOB, "list")).stderr).toContain(`left out: ublkb${id}, which only their owners and root may look at`);
    expect((await cliAs(BOB, "stop", String(id))).stderr).toContain("another user's");
    const all = { GET_DEV_INFO: "ok", GET_DEV_INFO2: "ok", GET_PARAMS: "ok", GET_QUEUE_AFFINITY: "ok" };
    expect(await commandsAs(ALICE, id, "ask")).toEqual(all);
    expect(await commandsAs(0, id, "ask")).toEqual(all);
    server.child.kill("SIGTERM");
    await server.end();
  });

  full("is stopped by root, whose own devices are out of a user's reach", async () => {
    await using server = await userServer();
    const id = idOf(server.path);
    await using roots = await serve({ size: "1 MiB", read: (buffer) => void buffer.fill(0) });
    expect((await commandsAs(BOB, roots.id, "ask")).GET_PARAMS).toStartWith("EPERM: this needs root");
    expect((await cli("chown-nodes", String(roots.id))).stderr).toContain("is a privileged one: its nodes are left alone");
    expect(await cli("stop", String(id))).toMatchObject({ status: 0, stdout: "" });
    expect(await server.end()).toMatchObject({ status: 0, signal: null });
  });

  full("is deleted by root when its server is dead, or hangs", async () => {
    await using dead = await userServer();
    dead.child.kill("SIGKILL");
    await dead.end();
    expect(await cli("del", String(idOf(dead.path)))).toMatchObject({ status: 0 });
    await using lives = await userServer();
    expect(await cli("del", String(idOf(lives.path)), "--force")).toMatchObject({ status: 0 });
    await lives.end();
  });
});

describe("modes", () => {
  const allowed: [string, object, boolean][] = [
    ["copy", {}, true],
    ["need-get-data", { mode: "need-get-data" }, true],
    ["batches", { batch: true }, kernelAtLeast("7.0")],
    ["shared memory", { sharedMemory: true }, kernelAtLeast("7.1")],
  ];
  for (const [name, options, has] of allowed) {
    (has ? full : possible ? requires(false, "this kernel has no such thing") : full)(
      `${name}: data comes back as it was written`,
      async () => {
        await using server = await userServer(options);
        expect(server.stdout).toContain(`mode ${(options as { mode?: string }).mode ?? "copy"}`);
        await holdsData(server.path);
        server.child.kill("SIGTERM");
        await server.end();
      },
    );
  }

  full("a target that never looks at its data is served by copies, where others get the kernel's pages", async () => {
    const file = `${userEnv(ALICE).HOME}/disk.img`;
    await shAs(ALICE, "truncate -s 16M $1", file);
    await using server = await userServer({}, file);
    expect(server.stdout).toContain("mode copy");
    await holdsData(server.path);
    server.child.kill("SIGTERM");
    await server.end();
  });

  full("what the kernel denies is refused before anything is made, with the remedy", async () => {
    for (const mode of ["user-copy", "zero-copy", "auto-buf-reg"])
      expect(await refusal({ mode })).toBe(
        `refused: TypeError: serve: unprivileged is true and mode is '${mode}', and the kernel denies it to unprivileged disks; leave mode out, or use 'copy' or 'need-get-data'`,
      );
    expect(await refusal({ recovery: "queue" })).toBe(
      "refused: TypeError: serve: unprivileged is true and recovery is 'queue', and an unprivileged disk goes with its server; leave recovery out",
    );
    expect(await refusal({}, "zoned")).toContain("the target has zoned, and the kernel denies it to unprivileged disks");
    // Kernels before 7.0 have no integrity at all.
    if (kernelAtLeast("7.0")) expect(await refusal({}, "integrity")).toContain("the target has integrity, and the kernel denies it");
    expect(await refusal({ unprivileged: false })).toContain("or unprivileged: true, which makes a user's own (--unprivileged)");
    const roots = serve({ size: "1 MiB", read: () => {} }, { unprivileged: true });
    await expect(roots).rejects.toThrow(/unprivileged is true, but this process has CAP_SYS_ADMIN/);
    expect(deviceIds()).toEqual([]);
  });
});

describe("what a user lacks", () => {
  full("nodes that nobody gives away: said, and root deletes what is left", async () => {
    await allowWithoutNodes();
    try {
      const said = await refusal({ timeoutMs: 3_000 });
      expect(said).toMatch(/^refused: UblkError: ublk open '\/dev\/ublkc\d+': EACCES \(\/dev\/ublkc\d+ is not yours to open: udev rules/);
      expect(said).toContain("only root can delete the device, which is left behind: uring-ublk del");
      const { stdout } = await cliAs(ALICE, "doctor");
      expect(stdout.replace(/\s+/g, " ")).toContain("no udev rule gives the nodes of a user's disk to its owner");
      expect(deviceIds()).toHaveLength(1);
      expect(await cli("del", String(deviceIds()[0]))).toMatchObject({ status: 0 });
    } finally {
      await allowUsers();
    }
  });

  full("room for one more", async () => {
    const QUOTA = "/sys/module/ublk_drv/parameters/ublks_max";
    const before = readFileSync(QUOTA, "utf8");
    writeFileSync(QUOTA, "1");
    try {
      await using server = await userServer();
      expect(await refusal({})).toContain(
        "EACCES (there are as many unprivileged devices as the administrator allows: delete one, or raise /sys/module/ublk_drv/parameters/ublks_max",
      );
      expect((await cliAs(ALICE, "doctor")).stdout).toContain("there are 1 of at most 1 unprivileged disks");
      server.child.kill("SIGTERM");
      await server.end();
    } finally {
      writeFileSync(QUOTA, before.trim());
    }
  });
});

describe("the kernel's time limit", () => {
  full("is warned of at its half, and ends the server that does not answer", async () => {
    await using server = await userServer({ queues: 1 }, "slow");
    const id = idOf(server.path);
    // The kernel looks once a second or so.
    await sh("echo 1000 > /sys/block/$1/queue/io_timeout", `ublkb${id}`);
    await Bun.sleep(2_000); // the watchdog takes it up
    const reading = runAs(ALICE, [
      "dd",
      `if=${server.path}`,
      "of=/dev/null",
      `bs=${BLOCK}`,
      "count=1",
      `skip=${HOLDS / BLOCK}`,
      "iflag=direct",
    ]);
    const slow = await Promise.all([reading, Bun.sleep(5_000)]);
    expect(slow[0]).toBeDefined();
    expect(server.stderr).toMatch(
      /a READ of 4096 bytes at 38797312 \(queue 0\) has been open for [5-9]\d\d ms\. The disk is unprivileged: the kernel ends its server \(SIGKILL\) after 1000 ms/,
    );
    expect(await server.end()).toMatchObject({ signal: "SIGKILL" });
    await using control = await UblkControl.open();
    expect((await control.getDeviceInfo(id)).state).toBe("dead");
    expect(await cliAs(ALICE, "del", String(id))).toMatchObject({ status: 0 });
  });
});
