// usual kernels: none
// file timeout: 3600 s
/** Disks that come and go under load. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { serve } from "uring-ublk";
import { memory } from "uring-ublk/targets";
import { haveUblk, ublkTest } from "../support/requires.ts";
import { fio, fioToItsEnd } from "./support/fio.ts";
import { aroundCycles, devices, stuckProcesses, until } from "./support/machine.ts";

setDefaultTimeout(3_000_000); // a hundred of them, on an emulated machine with neighbours
const test = ublkTest(false);
const DISKS = 100;
const LOAD = { rw: "randrw", bs: "4k", iodepth: 8, time_based: 1, runtime: 60 } as const;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

for (const where of ["closures", "Workers"]) {
  test(`${DISKS} disks, one after the other, each verified by fio, leak nothing: served by ${where}`, async () => {
    let verified = 0;
    const cycle = async (): Promise<void> => {
      const options = { size: 2 ** 20 };
      const serving = { depth: 8, maxIo: 65536 };
      const disk = await (where === "closures" ? serve(memory(options), serving) : serve(memory.url, { ...serving, options }));
      const report = await fio(disk.path, {
        rw: "randwrite",
        bs: "4k",
        iodepth: 4,
        size: "256k",
        verify: "crc32c",
        do_verify: 1,
        verify_fatal: 1,
      });
      if (report.jobs.every(({ error }) => error === 0)) verified++;
      await disk.stop();
    };
    const { before, after } = await aroundCycles(cycle, DISKS, 5);
    expect(verified).toBe(DISKS + 5);
    expect(after.fds).toBe(before.fds);
    expect(after.threads).toBeLessThanOrEqual(before.threads + 1); // the runtime's own helpers come and go
    expect(after.maps).toBeLessThanOrEqual(before.maps + 20); // the garbage collector maps and unmaps, but not once per device
  });

  for (const how of ["its own stop", "a deletion by another program"]) {
    test(`a disk under load is deleted by ${how}: its client fails, and nobody waits; served by ${where}`, async () => {
      const options = { size: 8 * 2 ** 20 };
      const disk = await (where === "closures" ? serve(memory(options)) : serve(memory.url, { queues: 2, options }));
      const load = fioToItsEnd(disk.path, LOAD, 90_000);
      const ios = (): number => Number(/\d+/.exec(readFileSync(`/sys/block/ublkb${disk.id}/stat`, "utf8"))![0]);
      await until(() => ios() > 200, "under load", 60_000);
      if (how === "its own stop") await disk.stop({ grace: 1_000 });
      else {
        const program = join(import.meta.dir, "support/tells.ts");
        const deleting = Bun.spawn([process.execPath, program, "delete", String(disk.id)], { stdio: ["ignore", "inherit", "inherit"] });
        await disk.finished;
        expect(await deleting.exited).toBe(0);
      }
      expect(disk.state).toBe("stopped");
      const status = await load;
      expect(status).toBeGreaterThan(0);
      await until(() => devices().length === 0, "deleted", 30_000);
    });
  }
}
