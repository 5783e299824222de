// file timeout: 600 s
// usual kernels: the newest
import { afterAll, afterEach, beforeAll, describe, expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Recovery } from "uring-ublk";
import { deviceIds, type KernelState, readState, removeState, UblkControl } from "uring-ublk/ublk";
import { sh } from "../support/disk-tools.ts";
import { kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { stuckProcesses } from "./support/machine.ts";
import type { RecoveryTask } from "./support/recovery-server.ts";
import { Server } from "./support/server.ts";

const HELD = 8192;
const OTHER = 65536;
const path = `${process.cwd()}/.recovery-${process.pid}.img`;
let control: UblkControl;

/** Starts a server in a process of its own. */
const start = (task: RecoveryTask): Promise<Server> => Server.start("recovery-server.ts", [JSON.stringify(task)]);

const idOf = (server: Server): number => Number(/\d+$/.exec(server.path)![0]);

const stateOf = async (id: number): Promise<KernelState> => (await control.getDeviceInfo(id)).state;

async function killed(server: Server): Promise<void> {
  server.child.kill("SIGKILL");
  await server.child.exited;
  while ((await stateOf(idOf(server))) === "live") await Bun.sleep(5);
}

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

/** Has the server remove its disk. */
async function ended(server: Server): Promise<void> {
  server.child.kill("SIGTERM");
  await server.end();
  expect(existsSync(server.path)).toBe(false);
  expect(readState(idOf(server))).toBeUndefined();
}

// udev looks at disks that were written to, and would wait with the others, at places of its own.
beforeAll(async () => {
  if (!existsSync("/dev/ublk-control")) return;
  await sh("udevadm settle; udevadm control --stop-exec-queue");
  control = await UblkControl.open();
});
afterAll(async () => {
  await control?.close();
  if (control !== undefined) await sh("udevadm control --start-exec-queue");
});
afterEach(async () => {
  // What a failed test leaves would hang whoever looks at it.
  for (const id of deviceIds()) {
    await control.stopDevice(id);
    await control.deleteDevice(id).catch(() => {});
    removeState(id);
  }
  await rm(path, { force: true });
  expect(stuckProcesses()).toEqual([]);
});

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
    for (const serve of [{}, { queues: 2, batch: true }, { mode: "user-copy" }] as const) {
      const usual = mode.recovery === "reissue" || !("mode" in serve);
      const needs = "batch" in serve ? "7.0" : mode.recovery === "fail-io" ? "6.13" : "6.5";
      const t = kernelAtLeast(needs) ? ublkTest(usual) : requires(false, `needs Linux ${needs}`);
      t(`recovery '${mode.recovery}' ${JSON.stringify(serve)}`, async () => {
        const options = { ...serve, recovery: mode.recovery, depth: 16, maxIo: 65536 };
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
