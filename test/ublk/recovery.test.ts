// file timeout: 1800 s
// usual kernels: the newest
import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { type Recovery, recover, serve } from "uring-ublk";
import { type KernelState, readState, UblkControl } from "uring-ublk/ublk";
import { kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { aroundRecovery, ended, idOf, killed, path, start, stateOf } from "./support/recoverable.ts";
import { SIZE } from "./support/recovery-target.ts";
import { Server } from "./support/server.ts";

const HELD = 8192;
const OTHER = 65536;
const TARGET = new URL("./support/recovery-target.ts", import.meta.url);

aroundRecovery();

/** A client in a process of its own, that does one direct I/O. */
function dd(...args: string[]): Bun.Subprocess {
  return Bun.spawn(["dd", ...args, "bs=4k", "count=1"], { stdio: ["ignore", "ignore", "ignore"] });
}
const write = (disk: string, offset: number): Bun.Subprocess =>
  dd("if=/etc/services", `of=${disk}`, `seek=${offset / 4096}`, "oflag=direct", "conv=notrunc");
const read = (disk: string, offset: number): Bun.Subprocess => dd(`if=${disk}`, "of=/dev/null", `skip=${offset / 4096}`, "iflag=direct");

/** Whether a client ends within a moment. */
async function waits(client: Bun.Subprocess): Promise<boolean> {
  return (await Promise.race([client.exited, Bun.sleep(500).then(() => "waits")])) === "waits";
}

/** What becomes of a client's request, without a server: it fails at once, or waits; and then, with the next one. */
interface Mode {
  readonly recovery: Exclude<Recovery, "none">;
  readonly state: KernelState;
  readonly held: "fails" | "waits";
  readonly fresh: "fails" | "waits";
}
const MODES: readonly Mode[] = [
  { recovery: "queue", state: "quiesced", held: "fails", fresh: "waits" },
  { recovery: "reissue", state: "quiesced", held: "waits", fresh: "waits" },
  { recovery: "fail-io", state: "fail-io", held: "fails", fresh: "fails" },
];

describe("a disk whose server is killed with a write in its hands", () => {
  for (const mode of MODES) {
    for (const how of [{}, { queues: 2, batch: true }, { mode: "user-copy" }] as const) {
      const usual = mode.recovery === "reissue" ? "batch" in how : mode.recovery === "queue" && !("mode" in how || "batch" in how);
      const needs = "batch" in how ? "7.0" : mode.recovery === "fail-io" ? "6.13" : "6.5";
      const t = kernelAtLeast(needs) ? ublkTest(usual) : requires(false, `needs Linux ${needs}`);
      t(`recovery '${mode.recovery}' ${JSON.stringify(how)}`, async () => {
        const options = { ...how, recovery: mode.recovery, depth: 16, maxIo: 65536 };
        await using first = await start({ target: { path, hold: HELD }, serve: options });
        const id = idOf(first);
        const held = write(first.path, HELD);
        await first.said(/^held$/m, 60_000);
        await killed(first);
        expect(await stateOf(id)).toBe(mode.state);
        expect(readState(id)).toMatchObject({ pid: first.child.pid, recovery: mode.recovery });

        const fresh = read(first.path, OTHER);
        expect(await waits(held)).toBe(mode.held === "waits");
        expect(await waits(fresh)).toBe(mode.fresh === "waits");

        await using second = await start({ recover: id, target: { path } });
        expect(await stateOf(id)).toBe("live");
        expect(await held.exited).toBe(mode.held === "waits" ? 0 : 1);
        expect(await fresh.exited).toBe(mode.fresh === "waits" ? 0 : 1);
        expect(await write(second.path, OTHER).exited).toBe(0);
        const file = readFileSync(path);
        const services = readFileSync("/etc/services").subarray(0, 4096);
        expect(file.subarray(OTHER, OTHER + 4096).equals(services)).toBe(true);
        expect(file.subarray(HELD, HELD + 4096).equals(services)).toBe(mode.held === "waits");
        expect(readState(id)).toMatchObject({ pid: second.child.pid, recovery: mode.recovery });
        await ended(second);
      });
    }
  }
});

const quiesced = { depth: 8, maxIo: 65536, recovery: "queue" } as const;

describe("a disk without a server", () => {
  ublkTest(true)("is refused to a target that is another disk, and to options that are the device's, and waits on", async () => {
    await using first = await start({ target: { path }, serve: quiesced });
    const id = idOf(first);
    await killed(first);
    const refused = (options: object, more: object = {}): Promise<string> =>
      recover(id, TARGET, { options: { path, ...options } as never, ...more }).then(
        () => "recovered",
        (error: Error) => error.message,
      );
    expect(await refused({ size: SIZE * 2 })).toBe(
      `recover: the target's size is ${SIZE * 2} bytes, and device ${id} has ${SIZE}; it must be the same`,
    );
    expect(await refused({ noFlush: true })).toBe(`recover: clients of device ${id} count on what the target does not have: flush`);
    expect(await refused({}, { depth: 4 })).toBe(
      "recover: depth is 4, but the device has its own already, which cannot change; leave it out",
    );
    expect(await refused({}, { thread: 4 })).toContain("thread");
    expect(await stateOf(id)).toBe("quiesced");
    const disk = await recover(id, TARGET, { options: { path, size: SIZE } as never });
    expect(disk.params).toMatchObject({ size: SIZE, blockSize: 512, volatileCache: true });
    expect(disk.info).toMatchObject({ id, depth: 8, maxIoBytes: 65536 });
    await disk.stop();
    expect(disk.state).toBe("stopped");
  });

  for (const crash of ["exit", "throw", "terminate"] as const) {
    ublkTest(false)(`is left by a process that comes to grief: ${crash}`, async () => {
      await using first = await start({ target: { path }, serve: quiesced, crash });
      const id = idOf(first);
      const { status } = await first.end(120_000);
      expect(status).toBe(crash === "exit" ? 3 : 1);
      while ((await stateOf(id)) === "live") await Bun.sleep(5);
      expect(await stateOf(id)).toBe("quiesced");
      expect(readState(id)).toMatchObject({ recovery: "queue", options: { path } });
      const disk = await recover(id, TARGET, { options: { path } as never });
      expect(await write(disk.path, OTHER).exited).toBe(0);
      await disk.stop();
    });
  }

  const old = kernelAtLeast("6.13") ? requires(false, "Linux 6.13 brought it") : ublkTest(true);
  old("cannot be had in a mode that the kernel does not know", async () => {
    const refused = serve({ size: "1 MiB", read: () => {} }, { recovery: "fail-io" }).catch((error: Error) => error.message);
    expect(await refused).toContain("this kernel's ublk has no USER_RECOVERY_FAIL_IO; it came with Linux 6.13. Use 'queue' or 'reissue'");
  });

  ublkTest(false)("that somebody else holds by an inherited descriptor is not recovered, and the error names who", async () => {
    await using first = await start({ target: { path }, serve: quiesced, leak: true });
    const id = idOf(first);
    const leaked = Number(/leaked to (\d+)/.exec(first.stdout)![1]);
    first.child.kill("SIGKILL");
    await first.child.exited;
    const error = await recover(id, TARGET, { options: { path } as never, timeoutMs: 10_000 }).then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error?.message).toContain(`process ${leaked} (sleep) has open /dev/ublkc${id}: end it, and recover again`);
    // Linux 6.12 looks at the rings, which ended with the server; newer ones at the char device, which is open.
    expect(await stateOf(id)).toBe(kernelAtLeast("6.15") ? "live" : "quiesced");
    process.kill(leaked, "SIGKILL");
    await using second = await start({ recover: id, target: { path } });
    expect(await read(second.path, OTHER).exited).toBe(0);
    await ended(second);
  });

  for (const how of [{ queues: 2 }, { queues: 2, batch: true }]) {
    // Linux 6.12 warns, and the tags are lost; 6.18 never lets go of the char device.
    const t = kernelAtLeast("7.0") ? ublkTest(false) : requires(false, "needs Linux 7.0");
    t(`is recovered after a server that died in the middle of fetching: ${JSON.stringify(how)}`, async () => {
      await using first = await start({ target: { path }, serve: { ...quiesced, ...how, recovery: "reissue" } });
      const id = idOf(first);
      await killed(first);
      const waiting = read(first.path, OTHER);
      for (let time = 0; time < 2; time++) {
        await using half = await Server.start("half-recoverer.ts", [String(id)]);
        half.child.kill("SIGKILL");
        await half.child.exited;
        expect(await stateOf(id)).toBe("quiesced");
      }
      await using second = await start({ recover: id, target: { path } });
      expect(await waiting.exited).toBe(0);
      expect(await write(second.path, HELD).exited).toBe(0);
      await ended(second);
    });
  }

  const shares = kernelAtLeast("7.1") ? ublkTest(false) : requires(false, "sharing memory needs Linux 7.1");
  shares("whose server shared memory with its clients is recovered without it", async () => {
    await using first = await start({ target: { path }, serve: { ...quiesced, sharedMemory: true }, share: true });
    const id = idOf(first);
    const indexes = /shares (\d+) (\d+)/.exec(first.stdout)!.slice(1).map(Number);
    expect(readState(id)?.shared).toEqual(indexes);
    await killed(first);
    const disk = await recover(id, TARGET, { options: { path } as never });
    await using memory = await disk.shareMemory({ size: 65536 });
    expect(readState(id)?.shared).toEqual([memory.index]);
    await using control = await UblkControl.open();
    const left = indexes.filter((index) => index !== memory.index);
    for (const index of left) expect(await control.unregBuf(id, index).catch((error: { code: string }) => error.code)).toBe("ENOENT");
    expect(left.length).toBeGreaterThan(0);
    expect(await read(disk.path, OTHER).exited).toBe(0);
    await disk.stop();
  });
});
