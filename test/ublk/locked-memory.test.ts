// usual kernels: none
/** With `lockMemory` the memory of the tags is in RAM from the start and stays there. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { readFileSync } from "node:fs";
import { type DataMode, serve } from "uring-ublk";
import { memory } from "uring-ublk/targets";
import { ROOT } from "../support/child.ts";
import { haveUblk, requires, ublkTest } from "../support/requires.ts";
import { fio } from "./support/fio.ts";
import { devices, stuckProcesses } from "./support/machine.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const MiB = 2 ** 20;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** Locked memory of this process, in MiB. */
const locked = (): number => (Number(/^VmLck:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) * 1024) / MiB;

for (const [mode, workers, MiBs] of [
  ["copy", false, 16],
  ["user-copy", true, 16],
  ["need-get-data", true, 16],
] as const satisfies readonly (readonly [DataMode, boolean, number])[]) {
  ublkTest(mode === "copy")(
    `mode ${mode}${workers ? ", in a Worker" : ""}: all of it is locked, holds the data, and is given back`,
    async () => {
      const before = locked();
      const given = { mode, depth: 32, maxIo: "512 KiB", lockMemory: true } as const;
      const disk = workers
        ? await serve(memory.url, { ...given, options: { size: "8 MiB" } })
        : await serve(memory({ size: "8 MiB" }), given);
      expect(locked() - before).toBe(MiBs);
      const { jobs } = await fio(disk.path, {
        rw: "randwrite",
        bsrange: "4k-512k",
        size: "8m",
        iodepth: 16,
        verify: "crc32c",
        do_verify: 1,
      });
      expect(jobs.map(({ error }) => error)).toEqual([0]);
      expect(locked() - before).toBe(MiBs);
      await disk.stop();
      expect(locked()).toBe(before);
    },
  );
}

ublkTest(false)("it stays when the disk is idle, where other memory is given back", async () => {
  const before = locked();
  const resident = (): number => (Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) * 1024) / MiB;
  const smaller = resident();
  await using disk = await serve(memory({ size: "1 MiB" }), { mode: "copy", depth: 64, maxIo: "1 MiB", lockMemory: true });
  expect(resident() - smaller).toBeGreaterThan(40);
  await Bun.sleep(20_000); // twice what it takes
  expect(resident() - smaller).toBeGreaterThan(40);
  expect(locked() - before).toBe(64);
  expect(disk.state).toBe("live");
});

const where = requires(haveUblk(), "needs a kernel with ublk");
ublkTest(false)("several threads lock what is theirs, and no more than one would", async () => {
  const before = locked();
  const served = await serve(new URL("./support/threads-target.ts", import.meta.url), {
    mode: "copy",
    depth: 16,
    threads: 3,
    lockMemory: true,
    options: { counters: new SharedArrayBuffer(1024), zeroCopy: false },
  }).catch((error: Error) => error);
  if (served instanceof Error) {
    expect(String(served)).toContain("PER_IO_DAEMON"); // before 6.16
    return;
  }
  await using disk = served;
  expect(disk.threads.length).toBe(3);
  expect(locked() - before).toBe(8);
});

where("a limit that is too low is told of, with what to do, and nothing stays", async () => {
  const program = `
    import { serve } from "uring-ublk";
    import { sys } from "uring-ublk/ffi";
    import { memory } from "uring-ublk/targets";
    const options = { mode: "copy", depth: 64, maxIo: "1 MiB", lockMemory: true };
    const told = (error) => console.log(error.code ?? "", error.message);
    await serve(memory({ size: "1 MiB" }), options).catch(told);
    await serve(memory.url, { ...options, options: { size: "1 MiB" } }).catch(told);`;
  // Without CAP_IPC_LOCK, which would override the limit.
  const child = Bun.spawn(
    ["setpriv", "--bounding-set=-ipc_lock", "sh", "-c", 'ulimit -l 32768; exec "$0" -e "$1"', process.execPath, program],
    {
      cwd: ROOT,
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  expect({ err, status }).toEqual({ err: "", status: 0 });
  const lines = out.trim().split("\n");
  expect(lines).toHaveLength(2);
  expect(lines[0]).toStartWith("ENOMEM ");
  for (const line of lines)
    expect(line).toMatch(/lockMemory '67108864 bytes': ENOMEM \(RLIMIT_MEMLOCK allows 33554432 bytes in all.*ulimit -l.*CAP_IPC_LOCK/);
});
