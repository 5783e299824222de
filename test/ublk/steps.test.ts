// usual kernels: none
// file timeout: 3600 s
/** A server that is killed right before any step of its start and its stop, under load: nobody waits for it, and what is left can be deleted. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { runProgram } from "../support/child.ts";
import { haveUblk, isFullRun, ublkTest } from "../support/requires.ts";
import { deleteDead } from "./support/dead.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";

setDefaultTimeout(1_800_000); // all of them, on an emulated machine with neighbours
/** The usual run takes every n-th. */
const STRIDE = isFullRun() ? 1 : 16;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

const run = (where: string, at = "") => runProgram("ublk/support/steps-server.ts", [where], { STEPS: at });

for (const [where, thread] of [
  ["closures", "main"],
  ["workers", "main"],
  ["workers", "worker"],
] as const) {
  ublkTest(where === "closures")(`${where}: the ${thread} thread, killed before any step`, async () => {
    const { stdout, stderr, status } = await run(where, `${thread}:1000000`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const { main, worker } = JSON.parse(stdout) as { main: string[]; worker: number };
    const most = thread === "main" ? main.length : worker;
    expect(most).toBeGreaterThan(thread === "main" ? 20 : 3);
    if (thread === "main")
      for (const name of ["addDevice", "setParams", "startDevice", "spawn", "deleteDevice"]) expect(main).toContain(name);
    let killed = 0;
    for (let at = 1; at <= most; at += STRIDE) {
      const name = thread === "main" ? main[at - 1] : `step ${at}`;
      const ended = await run(where, `${thread}:${at}`);
      // How often it looks for something depends on the time: the last steps may not come.
      if (ended.signal === "SIGKILL") killed++;
      else expect({ name, ...ended }).toMatchObject({ name, status: 0, stderr: "" });
      await until(() => !devices().some((node) => node.startsWith("ublkb")), `${at} ${name}: free of disks`, 60_000);
      await until(() => stuckProcesses().length === 0, `${at} ${name}: free of clients that wait`, 60_000);
      await deleteDead();
      expect({ at, name, devices: devices() }).toEqual({ at, name, devices: [] });
    }
    expect(killed).toBeGreaterThanOrEqual(Math.floor(most / STRIDE / 2));
  });
}
