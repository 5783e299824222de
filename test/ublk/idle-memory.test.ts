// usual kernels: none
// file timeout: 400 s
/** What large requests have touched is given back when a disk is idle, and nothing is lost by it. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { readFileSync } from "node:fs";
import { type DataMode, serve } from "uring-ublk";
import { haveUblk, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { fio } from "./support/fio.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const MiB = 2 ** 20;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

const anonymous = (): number => (Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) * 1024) / MiB;

for (const mode of ["copy", "user-copy"] as const satisfies readonly DataMode[]) {
  ublkTest(true)(`a disk in mode ${mode} that has served 64 requests of 1 MiB at a time is small again when it is idle`, async () => {
    const data = new Uint8Array(80 * MiB).fill(1); // touched now, not while it is measured
    let held: (() => void) | undefined;
    const store = (buffer: Uint8Array, offset: number): void => data.set(buffer, offset);
    await using disk = await serve(
      {
        size: data.length,
        read: (buffer, offset) => {
          buffer.set(data.subarray(offset, offset + buffer.length));
        },
        async write(buffer, offset) {
          // One that is open all the time keeps what it has.
          if (buffer[0] === 0x77) await new Promise<void>((resolve) => (held = resolve));
          store(buffer, offset);
        },
      },
      { mode, depth: 64, maxIo: "1 MiB" },
    );
    const load = { rw: "write", bs: "1m", iodepth: 64, size: "64m", verify: "crc32c", do_verify: 1 };
    const before = anonymous();
    const { jobs } = await fio(disk.path, load);
    expect(jobs.every((job) => job.error === 0)).toBe(true);
    const writing = client(disk.path, [{ do: "write", offset: 70 * MiB, length: MiB, fill: 0x77 }]);
    await until(() => held !== undefined, "a request is open");
    const large = anonymous();
    expect(large - before).toBeGreaterThan(30);
    await until(() => large - anonymous() > 30, "smaller by 30 MiB", 90_000);
    held!();
    expect(await writing).toEqual([{ bytes: MiB }]);
    expect(data.subarray(70 * MiB, 71 * MiB).every((byte) => byte === 0x77)).toBe(true);
    const again = await fio(disk.path, { ...load, size: "24m" }); // in memory that was given back
    expect(again.jobs.every((job) => job.error === 0)).toBe(true);
  });
}
