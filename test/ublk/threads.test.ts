// usual kernels: the newest
// file timeout: 900 s
/** Several threads per queue (UBLK_F_PER_IO_DAEMON): each serves its share of the tags, and a device ends as whole as with one. */
import { afterEach, describe, expect, setDefaultTimeout } from "bun:test";
import { type DataMode, type ServeOptions, serve } from "uring-ublk";
import { type RequestErrorEvent, UblkControl } from "uring-ublk/ublk";
import { cli } from "../support/cli.ts";
import { haveUblk, isFullRun, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { fio, fioToItsEnd } from "./support/fio.ts";
import { aroundCycles, devices, stuckProcesses, until } from "./support/machine.ts";
import { Server } from "./support/server.ts";
import { EXITS, HOLDS, SIZE, THROWS, type ThreadsOptions, WORDS, Word } from "./support/threads-target.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const MODULE = new URL("./support/threads-target.ts", import.meta.url);
const have = kernelAtLeast("6.16");

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

const testIf = (usual: boolean) =>
  haveUblk() && !have ? requires(false, "several threads per queue came with Linux 6.16") : ublkTest(usual);

/** Options of the target, and a thread's words of the counters. */
function counted(zeroCopy = false): { options: ThreadsOptions; of: (index: number, word: number) => number } {
  const counters = new SharedArrayBuffer(8 * WORDS * 4);
  const words = new Int32Array(counters);
  return { options: { counters, zeroCopy }, of: (index, word) => words[index * WORDS + word]! };
}

const serving = { depth: 16, maxIo: 131072 } as const;
const LOAD = { rw: "randwrite", bsrange: "512-128k", blockalign: 512, verify: "crc32c", do_verify: 1, verify_fatal: 1 } as const;

const MODES: readonly DataMode[] = ["copy", "auto-buf-reg", "user-copy", "zero-copy", "need-get-data"];
for (const mode of MODES) {
  describe(mode, () => {
    for (const [queues, threads] of [
      [1, 3],
      [2, 2],
    ] as const) {
      testIf(false)(`${queues} queues of ${threads} threads: fio finds every byte it wrote, and each thread has served`, async () => {
        const { options, of } = counted(true);
        await using disk = await serve(MODULE, { ...serving, mode, queues, threads, options });
        const size = isFullRun() ? "6m" : "3m";
        const { jobs } = await fio(disk.path, { ...LOAD, size, iodepth: 8, numjobs: 1 });
        expect(jobs.map(({ error }) => error)).toEqual([0]);
        // One client at a time stays on its CPU, and so on its queue: what is asked for from each CPU goes to each queue.
        for (const cpus_allowed of ["0", "1"])
          await fio(disk.path, { rw: "randread", bs: "4k", size: `${SIZE}`, io_size: "1m", iodepth: 8, cpus_allowed });
        const all = Array.from({ length: queues * threads }, (_, i) => i);
        const requests = all.map((i) => of(i, Word.REQUESTS));
        expect(Math.min(...requests)).toBeGreaterThan(10);
        expect(new Set(all.map((i) => of(i, Word.TID))).size).toBe(queues * threads);
        await disk.stop();
        expect(all.map((i) => of(i, Word.STRANGE))).toEqual(all.map(() => 0));
        expect(all.map((i) => of(i, Word.DETACHED))).toEqual(all.map(() => 1));
      });
    }
  });
}

testIf(false)("requests that are in flight together are spread over the threads, also when they are few", async () => {
  const { options, of } = counted();
  await using disk = await serve(MODULE, { ...serving, depth: 128, mode: "copy", threads: 2, options });
  const before = [0, 1].map((i) => of(i, Word.REQUESTS));
  await fio(disk.path, { rw: "randread", bs: "4k", size: `${SIZE}`, io_size: "4m", iodepth: 8 });
  const shares = before.map((count, i) => of(i, Word.REQUESTS) - count);
  expect(shares[0]! + shares[1]!).toBeGreaterThanOrEqual(1024);
  expect(Math.min(...shares)).toBeGreaterThan(1024 / 4);
});

testIf(false)(
  "more threads than divide the depth, a handler that throws and one that exits: the errors are those of one thread",
  async () => {
    const { options, of } = counted();
    const events: RequestErrorEvent[] = [];
    const disk = await serve(MODULE, { ...serving, depth: 4, mode: "copy", threads: 3, options });
    disk.on("requesterror", (event) => events.push(event));
    disk.on("failure", () => {});
    const at = (offset: number) => ({ do: "write", offset, length: 4096, fill: 1 }) as const;
    expect(await client(disk.path, [at(THROWS), at(0), { do: "flush" }, at(THROWS), at(4096), at(8192), at(12288)])).toMatchObject([
      { code: "ENOSPC" },
      { bytes: 4096 },
      {},
      { code: "ENOSPC" },
      { bytes: 4096 },
      { bytes: 4096 },
      { bytes: 4096 },
    ]);
    await until(() => events.length === 2, "two errors of requests");
    expect(events).toMatchObject([{ offset: THROWS }, { offset: THROWS }]);
    const exiting = client(disk.path, [at(EXITS)]).catch((error: Error) => error);
    const failed = await disk.finished.catch((error: Error) => error);
    expect(String(failed)).toMatch(/process\.exit\(3\) was called in a thread that serves a disk; the disk is stopped instead/);
    await exiting;
    expect([0, 1, 2].map((i) => of(i, Word.DETACHED))).toEqual([1, 1, 1]);
  },
);

testIf(false)("stop with requests that are held by several threads ends after its grace, with EIO for them", async () => {
  const { options, of } = counted();
  const disk = await serve(MODULE, { ...serving, mode: "auto-buf-reg", threads: 2, options: { ...options, zeroCopy: true } });
  const held = Array.from({ length: 3 }, () => client(disk.path, [{ do: "write", offset: HOLDS, length: 4096, fill: 1 }]));
  await until(() => of(0, Word.HELD) + of(1, Word.HELD) === 3, "three requests are open", 60_000);
  await disk.stop({ grace: 300 });
  expect(await Promise.all(held)).toEqual([[{ code: "EIO" }], [{ code: "EIO" }], [{ code: "EIO" }]]);
  expect([0, 1].map((i) => of(i, Word.DETACHED))).toEqual([1, 1]);
});

testIf(false)("a thread is told of as one of its queue, and keeps to the queue's CPUs", async () => {
  await using disk = await serve(MODULE, { ...serving, threads: 2, queues: 2, options: counted().options });
  await using control = await UblkControl.open();
  expect(disk.threads.map(({ queue, thread }) => [queue, thread])).toEqual([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ]);
  expect(disk.info.queues).toBe(2);
  expect((await control.getQueueAffinity(disk.id, 1)).length).toBeGreaterThan(0);
});

testIf(false)(
  "a disk with 2 threads, made and stopped 10 times, leaks no descriptor, mapping or thread",
  async () => {
    const cycle = async (): Promise<void> => {
      const disk = await serve(MODULE, { ...serving, threads: 2, options: counted().options });
      await disk.stop();
    };
    const { before, after } = await aroundCycles(cycle, 10, 3);
    expect(after.fds).toBeLessThanOrEqual(before.fds);
    expect(after.threads).toBeLessThanOrEqual(before.threads + 1); // the runtime's own helpers come and go
    expect(after.maps).toBeLessThan(before.maps + 10); // one for each cycle would be too many
  },
  450_000,
);

const UNDER_LOAD = { rw: "randrw", bs: "4k", iodepth: 8, numjobs: 2, thread: 1, time_based: 1, runtime: 60 } as const;
const FIO_MS = 55_000; // only a hang takes that long
const ENV = { QUEUES: "1", THREADS: "2" };

for (const [args, usual, message] of [
  [["none", "terminate"], true, /the Worker that served queue 0, thread 0 ended/],
  [["none", "terminate-all", "synchronous"], false, /the Worker that served queue 0, thread [01] ended/],
  [["exit-in-handler"], false, /process\.exit\(3\) was called in a thread that serves a disk/],
  [["throw"], false, /grief: a timer threw/],
  [["spin", "stop"], false, /ETIMEDOUT .*stuck in a handler/],
] as const) {
  testIf(usual)(`a thread of a queue comes to grief under load, ${args.join(" ")}: nobody hangs and nothing stays`, async () => {
    await using server = await Server.start("death-server.ts", args, ENV);
    const load = fioToItsEnd(server.path, UNDER_LOAD, FIO_MS);
    const end = await server.end(FIO_MS);
    expect({ fio: await load, status: end.status }).toEqual({ fio: expect.any(Number), status: 1 } as never);
    expect(end.stderr).toMatch(message);
    await until(() => stuckProcesses().length === 0, "free of processes in D state", 5_000);
  });
}

testIf(false)(
  "kill -9 of a server with several threads under load: its clients get errors, and the dead device can be deleted",
  async () => {
    await using server = await Server.start("death-server.ts", ["none"], ENV);
    const load = fioToItsEnd(server.path, UNDER_LOAD, FIO_MS);
    await Bun.sleep(3_000);
    server.child.kill("SIGKILL");
    await server.end();
    expect(await load).toBeGreaterThan(0);
    const id = /\d+$/.exec(server.path)![0];
    await until(() => !devices().includes(`ublkb${id}`), "free of the block device");
    expect((await cli("del", id)).status).toBe(0);
  },
);

const anywhere = requires(haveUblk(), "needs a kernel with ublk");
anywhere("what cannot be is refused by name, and nothing stays", async () => {
  const { options } = counted();
  for (const [given, message] of [
    [{ threads: 0 }, /threads is 0; it must be an integer from 1 to 4096/],
    [{ threads: 1.5 }, /threads is 1\.5/],
    [{ threads: 8, depth: 4 }, /threads is 8, and depth is 4: each thread needs a tag of its own/],
    [{ threads: 2, serialize: true }, /serialize needs threads: 1, and threads is 2/],
    [{ thread: 2 }, /no option 'thread'; did you mean 'threads'/],
  ] as const)
    expect(String(await serve(MODULE, { options, ...given } as ServeOptions<ThreadsOptions>).catch((e) => e))).toMatch(message);
  const closures = await serve({ size: 4096, read: () => {} }, { threads: 2 }).catch((error: Error) => error);
  expect(String(closures)).toMatch(/threads is 2, but a target that is given as an object is served on the calling thread; give the URL/);
});

const old = requires(haveUblk() && !have, haveUblk() ? "this kernel has several threads per queue" : "needs a kernel with ublk");
old("a kernel before 6.16 is told of, with what to do", async () => {
  const refused = await serve(MODULE, { threads: 2, options: counted().options }).catch((error: Error) => error);
  expect(refused).toMatchObject({ code: "EOPNOTSUPP" });
  expect(String(refused)).toMatch(/threads 2.*no PER_IO_DAEMON; it came with Linux 6\.16.*Leave threads out, and use more queues/);
});
