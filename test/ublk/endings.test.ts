// usual kernels: the newest
// file timeout: 1800 s
/** However a program that serves ends, it leaves no device: only kill -9 leaves a dead char device, which `uring-ublk del` removes. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { cli } from "../support/cli.ts";
import { haveUblk, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";
import { type Ending, Server } from "./support/server.ts";

setDefaultTimeout(120_000); // an emulated machine, and neighbours
/** Where a disk is served hardly matters for most endings, and many are alike: the usual run takes some, mostly of closures. */
const oneOf = (where: string, usual: { closures?: boolean; workers?: boolean }) => ublkTest(usual[where as "closures"] ?? false);
const NEVER = 3 * 2 ** 19; // as in endings-server.ts
/** How long the client may take to start, and to read. */
const CLIENT_MS = 30_000;

afterEach(async () => {
  if (!haveUblk()) return;
  await until(() => devices().length === 0, "free of devices").catch(() => {});
  expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** What is left right after the program's end. */
const left = (): { devices: string[] } => ({ devices: devices() });

for (const where of ["closures", "workers"]) {
  for (const [signal, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ] as const) {
    oneOf(where, { closures: signal === "SIGINT", workers: false })(
      `${signal}, served by ${where}: the disk is stopped, and the status says which signal`,
      async () => {
        await using server = await Server.start("endings-server.ts", ["", where]);
        await server.said(/ready/);
        server.child.kill(signal);
        const end = await server.end();
        expect({ ...left(), status: end.status }).toEqual({ devices: [], status: 128 + number });
      },
    );
  }

  for (const [how, status, message] of [
    ["throw", 1, /ending: thrown at the top/],
    ["throw in a timer", 1, /ending: thrown in a timer/],
    ["rejected await", 1, /ending: rejected at the top/],
    ["floating rejection", 1, /ending: floating/],
    ["exit", 0, undefined],
    ["exit in a timer", 0, undefined],
  ] as const) {
    oneOf(where, { closures: how === "throw" })(`${how} in the main program, served by ${where}: status ${status}`, async () => {
      await using server = await Server.start("endings-server.ts", [how, where]);
      const end: Ending = await server.end();
      expect({ ...left(), status: end.status, stderr: end.stderr }).toEqual({
        devices: [],
        status,
        stderr: message === undefined ? "" : expect.stringMatching(message),
      });
    });
  }

  oneOf(where, {})(`process.exit with an open request, served by ${where}: the client gets EIO`, async () => {
    await using server = await Server.start("endings-server.ts", ["exit with an open request", where]);
    await server.said(/ready/);
    const reading = client(server.path, [{ do: "read", offset: NEVER, length: 4096 }], "read-only");
    await server.said(/held/, CLIENT_MS);
    server.child.kill("SIGUSR2");
    const end = await server.end();
    expect({ ...left(), status: end.status, stderr: end.stderr }).toEqual({ devices: [], status: 0, stderr: "" });
    expect(await reading).toEqual([{ code: "EIO" }]);
  });

  oneOf(where, {})(`a second SIGINT, served by ${where}: does not wait for the open request`, async () => {
    await using server = await Server.start("endings-server.ts", ["", where]);
    await server.said(/ready/);
    const reading = client(server.path, [{ do: "read", offset: NEVER, length: 4096 }], "read-only");
    await server.said(/held/, CLIENT_MS);
    server.child.kill("SIGINT");
    await Bun.sleep(300);
    server.child.kill("SIGINT");
    const end = await server.end();
    expect({ status: end.status, stderr: end.stderr }).toEqual({ status: 130, stderr: "" });
    expect(await reading).toEqual([{ code: "EIO" }]);
  });

  oneOf(where, {})(`kill -9 while it stops, served by ${where}: the client gets EIO, and the process goes`, async () => {
    await using server = await Server.start("endings-server.ts", ["", where]);
    await server.said(/ready/);
    const reading = client(server.path, [{ do: "read", offset: NEVER, length: 4096 }], "read-only");
    await server.said(/held/, CLIENT_MS);
    server.child.kill("SIGINT"); // the stop gives the open request 5 s
    await Bun.sleep(1_000);
    server.child.kill("SIGKILL");
    await server.end();
    expect(await reading).toEqual([{ code: "EIO" }]);
    const id = /\d+$/.exec(server.path)![0];
    await until(() => !devices().includes(`ublkb${id}`), "free of the block device");
    expect((await cli("del", id)).status).toBe(0);
  });

  oneOf(where, { workers: true })(`kill -9, served by ${where}: a dead device stays, is listed, and can be deleted`, async () => {
    await using server = await Server.start("endings-server.ts", ["", where]);
    await server.said(/ready/);
    server.child.kill("SIGKILL");
    await server.end();
    const id = Number(/\d+$/.exec(server.path)![0]);
    await until(() => !devices().includes(`ublkb${id}`), "free of the block device");
    expect(devices()).toEqual([`ublkc${id}`]);
    const list = await cli("list", "--json");
    expect(JSON.parse(list.stdout)).toMatchObject([{ id, state: "dead", alive: false, ours: true }]);
    const del = await cli("del", String(id));
    expect(del.status).toBe(0);
    expect(devices()).toEqual([]);
    expect(JSON.parse((await cli("list", "--json")).stdout)).toEqual([]);
  });
}

ublkTest(false)("a program's own SIGINT listener wins", async () => {
  await using server = await Server.start("endings-server.ts", ["own listener"]);
  await server.said(/ready/);
  server.child.kill("SIGINT");
  const end = await server.end();
  expect({ ...left(), status: end.status }).toEqual({ devices: [], status: 42 });
  expect(end.stdout).toContain("mine");
});
