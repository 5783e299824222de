// usual kernels: none
// file timeout: 3600 s
/** The death of a serving Worker in every data mode, with batches and without: what death.test.ts shows for one of them. */
import { afterEach, expect } from "bun:test";
import { join } from "node:path";
import { abi, UblkControl } from "uring-ublk/ublk";
import { sh, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, requires, ublkTest } from "../support/requires.ts";
import { deleteDead } from "./support/dead.ts";
import { fioToItsEnd } from "./support/fio.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";
import { Server } from "./support/server.ts";

const features = await (async () => {
  if (!haveUblk()) return 0;
  await using control = await UblkControl.open();
  return control.features;
})();
const LOAD = { rw: "randrw", bs: "4k", iodepth: 8, numjobs: 2, thread: 1, time_based: 1, runtime: 90 } as const;
const FIO_MS = 85_000;
const LIMIT = 240_000;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

for (const [mode, batch, needs] of [
  ["copy", "", 0],
  ["user-copy", "", 0],
  ["need-get-data", "", 0],
  ["zero-copy", "", abi.UBLK_F_AUTO_BUF_REG],
  ["auto-buf-reg", "", abi.UBLK_F_AUTO_BUF_REG],
  ["copy", "batch", abi.UBLK_F_BATCH_IO],
  ["auto-buf-reg", "batch", abi.UBLK_F_BATCH_IO],
] as const) {
  const test = haveUblk() && (features & needs) !== needs ? requires(false, "this kernel does not have the mode") : ublkTest(false);
  for (const [grief, message] of [
    ["throw", /grief: a timer threw/],
    ["exit-in-handler", /process\.exit\(3\) was called in a thread that serves a disk; the disk is stopped instead/],
    ["terminate", /the Worker that served queue 0 ended/],
    ["spin", /ETIMEDOUT .*stuck in a handler/],
  ] as const) {
    test(
      `a Worker that comes to grief (${grief}) in mode ${mode} ${batch}`,
      async () => {
        await using directory = await workDirectory("/dev/shm");
        const path = join(directory.path, "img");
        await sh(`truncate -s 16M "$1"`, path);
        await using server = await Server.start("death-modes-server.ts", [path, grief, mode, batch]);
        const load = fioToItsEnd(server.path, LOAD, FIO_MS);
        const { status, stderr } = await server.end(FIO_MS);
        // A Worker that spins may outlive the process's patience: then the process ends, and the kernel takes all of it back.
        const gone = grief === "spin" && status === null;
        if (gone) expect(stderr).toMatch(/stuck in a handler.*ending this process, so that the kernel fails the requests/s);
        else expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(message) });
        expect(await load).toBeGreaterThan(0); // it failed, and did not hang
        await until(() => stuckProcesses().length === 0, "free of processes in D state", 10_000);
        if (gone) await deleteDead();
      },
      LIMIT,
    );
  }
}
