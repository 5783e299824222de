// file timeout: 1200 s
// usual kernels: the newest
import { afterEach, describe, expect } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { AF_UNIX, bind, close, Ring, recv, SOCK_DGRAM, socket } from "uring-ublk";
import { cli } from "../support/cli.ts";
import { kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { added, aroundServers, begun, ended, folder, json, nothingLeft, stateOf } from "./support.ts";

aroundServers();
afterEach(() => rmSync(image, { force: true }));

const image = join(folder, "disk.img");
const since616 = kernelAtLeast("6.16") ? ublkTest(false) : requires(false, "needs Linux 6.16");

describe("a server in the background", () => {
  since616("hands its disk over to another, which serves it on", async () => {
    const first = await added("loop", image, "--create", "16MiB", "--recovery", "reissue");
    const { id, path } = first;
    expect(await json("quiesce", String(id))).toEqual({ id, quiesced: true });
    await ended(first.pid);
    expect(await stateOf(id)).toBe("quiesced");
    const second = await json<{ pid: number }>("recover", String(id), "--daemon");
    expect(await stateOf(id)).toBe("live");
    expect(await json("resize", path, "32MiB")).toEqual({ id, size: 32 * 2 ** 20 });
    expect(await json("stop", String(id))).toEqual({ id, stopped: true, deleted: true });
    await ended(second.pid);
    nothingLeft();
  });

  ublkTest(false)("that is killed leaves a disk that the doctor has a remedy for, and that another serves on", async () => {
    const first = await added("loop", image, "--create", "16MiB", "--recovery", "queue", "--serialize");
    const { id } = first;
    process.kill(first.pid, "SIGKILL");
    await ended(first.pid);
    while ((await stateOf(id)) === "live") await Bun.sleep(10);
    const { findings } = JSON.parse((await cli("doctor", "--json")).stdout) as { findings: unknown[] };
    expect(findings).toContainEqual(
      expect.objectContaining({ check: "orphan", level: "problem", device: id, remedy: `uring-ublk recover ${id} --daemon` }),
    );
    expect(await cli("stop", String(id))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("has no server, and waits for another"),
    });
    expect(await cli("quiesce", String(id))).toMatchObject({ status: 1, stderr: expect.stringContaining("has no server") });
    const second = await json<{ pid: number }>("recover", String(id), "--daemon");
    process.kill(second.pid, "SIGTERM");
    await ended(second.pid);
    nothingLeft();
  });

  ublkTest(false)("that is stopped by a signal is told apart, within the time limit", async () => {
    const { id, pid } = await added("null", "--recovery", "queue");
    process.kill(pid, "SIGSTOP");
    for (const words of [
      ["resize", String(id), "1GiB"],
      ["quiesce", String(id)],
      ["stop", String(id)],
    ]) {
      const { status, stderr } = await cli(...words, "--timeout", "1");
      expect([status, stderr]).toEqual([
        1,
        expect.stringContaining(`did not answer within 1 s: it is stopped; kill -CONT ${pid} lets it go on`),
      ]);
    }
    const { findings } = JSON.parse((await cli("doctor", "--json")).stdout) as { findings: unknown[] };
    expect(findings).toContainEqual(expect.objectContaining({ check: "server", remedy: `kill -CONT ${pid}` }));
    process.kill(pid, "SIGCONT");
    // What it was asked comes about then.
    await ended(pid);
    await cli("del", "--all", "--force");
    nothingLeft();
  });

  const safe = kernelAtLeast("7.0") ? ublkTest(false) : requires(false, "needs Linux 7.0");
  safe("is not stopped with --safe while somebody has its disk open, who is named", async () => {
    const { id, path, pid } = await added("memory", "--size", "1MiB");
    // No child of it inherits the disk: it is closed as soon as the shell has ended.
    const reader = Bun.spawn(["sh", "-c", 'exec 3<"$0"; echo open; read -r line', path], { stdin: "pipe", stdout: "pipe" });
    await reader.stdout.getReader().read();
    expect(await cli("stop", path, "--safe")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`open in process ${reader.pid} (sh)`),
    });
    expect(await stateOf(id)).toBe("live");
    reader.kill("SIGKILL");
    await reader.exited;
    expect(await cli("stop", path, "--safe")).toMatchObject({ status: 0 });
    await ended(pid);
    nothingLeft();
  });

  ublkTest(false)("of another program cannot be asked, but its disk can be stopped", async () => {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "server.ts")], { stdout: "pipe", stderr: "inherit" });
    const id = Number.parseInt(new TextDecoder().decode((await child.stdout.getReader().read()).value), 10);
    const { status, stderr } = await cli("resize", String(id), "1MiB");
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(`is served by process ${child.pid}, which neither add nor recover has started`),
    ]);
    expect(await json("stop", String(id))).toEqual({ id, stopped: true, deleted: true });
    expect(await child.exited).toBe(0);
    nothingLeft();
  });

  ublkTest(false)("tells its supervisor when the disk can be opened, and when it is stopped", async () => {
    const address = join(folder, "notify.sock");
    await using ring = await Ring.open({ entries: 4 });
    const fd = await ring.run(socket({ domain: AF_UNIX, type: SOCK_DGRAM }));
    await ring.run(bind({ fd, address: { family: "unix", path: address } }));
    process.env.NOTIFY_SOCKET = address;
    const child = begun(["add", "null", "--foreground"], "ignore");
    delete process.env.NOTIFY_SOCKET;
    const buffer = new Uint8Array(256);
    const heard = async (): Promise<string> => new TextDecoder().decode(buffer.subarray(0, await ring.run(recv({ fd, buffer }))));
    const [, path = ""] = /^READY=1\nMAINPID=\d+\nSTATUS=serves (\S+)$/.exec(await heard()) ?? [];
    expect(existsSync(path)).toBe(true);
    child.kill("SIGTERM");
    expect(await heard()).toBe("STOPPING=1");
    expect(await child.exited).toBe(143);
    await ring.run(close({ fd }));
    nothingLeft();
  });
});
