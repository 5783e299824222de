/** What the tests of recovery have in common. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout } from "bun:test";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { deviceIds, type KernelState, readState, removeState, UblkControl } from "uring-ublk/ublk";
import { sh } from "../../support/disk-tools.ts";
import { stuckProcesses } from "./machine.ts";
import type { RecoveryTask } from "./recovery-server.ts";
import { Server } from "./server.ts";

/** After how many seconds the kernel complains of a client that waits. */
const PATIENCE = "/proc/sys/kernel/hung_task_timeout_secs";

let control: UblkControl;
let patience = "";

/** A file for a disk. */
export const path = `${process.cwd()}/.recovery-${process.pid}.img`;

/** Starts a server in a process of its own. */
export const start = (task: RecoveryTask): Promise<Server> => Server.start("recovery-server.ts", [JSON.stringify(task)]);

/** The number of a server's device. */
export const idOf = (server: Server): number => Number(/\d+$/.exec(server.path)![0]);

/** The driver's word. */
export const stateOf = async (id: number): Promise<KernelState> => (await control.getDeviceInfo(id)).state;

/** Kills a server, and waits until the driver knows. */
export async function killed(server: Server): Promise<void> {
  server.child.kill("SIGKILL");
  await server.child.exited;
  while ((await stateOf(idOf(server))) === "live") await Bun.sleep(5);
}

/** Has a server remove its disk. */
export async function ended(server: Server): Promise<void> {
  server.child.kill("SIGTERM");
  await server.end(120_000);
  expect(existsSync(server.path)).toBe(false);
  expect(readState(idOf(server))).toBeUndefined();
}

/** Around the tests of a file: nothing looks at disks but they, and nothing is left of them. */
export function aroundRecovery(): void {
  setDefaultTimeout(300_000); // each test starts several processes
  // udev looks at disks that were written to, and would wait with the others, at places of its own.
  beforeAll(async () => {
    if (!existsSync("/dev/ublk-control")) return;
    await sh("udevadm control --start-exec-queue; udevadm settle; udevadm control --stop-exec-queue");
    patience = await sh(`cat ${PATIENCE}`);
    await sh(`echo 600 > ${PATIENCE}`); // clients wait here by design
    control = await UblkControl.open();
  });
  afterAll(async () => {
    await control?.close();
    if (control !== undefined) await sh(`udevadm control --start-exec-queue; echo ${patience} > ${PATIENCE}`);
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
}
