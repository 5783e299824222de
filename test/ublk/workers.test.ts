// usual kernels: the newest
// file timeout: 600 s
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout } from "bun:test";
import { execFileSync } from "node:child_process";
import { serve } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { memory } from "uring-ublk/targets";
import { type RequestErrorEvent, UblkControl } from "uring-ublk/ublk";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { fio } from "./support/fio.ts";
import { aroundCycles, devices, stuckProcesses } from "./support/machine.ts";
import { BAD, CHANNEL, Count, PR_GET_IO_FLUSHER, type WorkersOptions } from "./support/workers-target.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const test = ublkTest(true);
const MODULE = new URL("./support/workers-target.ts", import.meta.url);

let peer: ReturnType<typeof Bun.serve>;
beforeAll(() => {
  peer = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("41") });
});
afterAll(() => peer.stop(true));
afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

const serving = { queues: 2, depth: 16, maxIo: 65536 } as const;
function options(background = false): { options: WorkersOptions; words: Int32Array } {
  const counters = new SharedArrayBuffer(256);
  return { options: { counters, url: peer.url.href, background }, words: new Int32Array(counters) };
}

test("a module target using fetch, setTimeout and a lazy import works in 2 Workers", async () => {
  const { options: given, words } = options();
  await using disk = await serve(MODULE, { ...serving, options: given });
  await using control = await UblkControl.open();
  for (const queue of [0, 1]) {
    const cpus = await control.getQueueAffinity(disk.id, queue);
    expect(words[Count.FLUSHER + queue]).toBe(1);
    expect(words[Count.AFFINITY + queue]).toBe(cpus.reduce((mask, cpu) => mask | (1 << cpu), 0));
    const before = words[Count.REQUESTS + queue]!;
    const bytes = await sh(
      `taskset -c $2 dd if=$1 bs=4096 skip=$3 count=8 iflag=direct status=none | od -An -tx1 -v | tr -d ' \\n'`,
      disk.path,
      cpus[0]!,
      queue * 16,
    );
    expect(bytes === "2a".repeat(8 * 4096)).toBe(true);
    expect(words[Count.REQUESTS + queue]! - before).toBeGreaterThanOrEqual(8); // a CPU's requests come to its queue; the counters are shared
  }
  expect(sys.prctl(PR_GET_IO_FLUSHER)).toBe(0); // this thread has other things to do
  expect([words[Count.DETACHED], words[Count.CLOSED]]).toEqual([0, 0]);
  await disk.stop();
  expect([words[Count.DETACHED], words[Count.CLOSED]]).toEqual([2, 1]);
});

ublkTest(false)("an error of a Worker's method reaches the client as its errno and the device as an event", async () => {
  const events: RequestErrorEvent[] = [];
  await using disk = await serve(MODULE, { ...serving, options: options().options });
  disk.on("requesterror", (event) => events.push(event));
  expect(
    await client(disk.path, [
      { do: "write", offset: BAD, length: 4096, fill: 1 },
      { do: "write", offset: 0, length: 4096, fill: 1 },
    ]),
  ).toMatchObject([{ code: "ENOSPC" }, { bytes: 4096 }]);
  for (let i = 0; i < 100 && events.length === 0; i++) await Bun.sleep(10);
  expect(events).toMatchObject([{ op: "WRITE", offset: BAD, length: 4096, error: { message: "the Worker refuses" } }]);
});

test("the main thread may read a disk synchronously that Workers serve", async () => {
  await using disk = await serve(memory.url, { ...serving, options: { size: "4 MiB" } });
  await client(disk.path, [{ do: "write", offset: 0, length: 2 ** 20, fill: 7 }]);
  const bytes = execFileSync("dd", [`if=${disk.path}`, "bs=64k", "count=16", "iflag=direct", "status=none"], { timeout: 20_000 });
  expect(bytes.length).toBe(2 ** 20);
  expect(bytes.every((byte) => byte === 7)).toBe(true);
});

ublkTest(false)("timers, fetches and messages go on in Workers under load whose handlers await nothing", async () => {
  const { options: given, words } = options(true);
  await using disk = await serve(MODULE, { ...serving, options: given });
  const channel = new BroadcastChannel(CHANNEL);
  const sender = setInterval(() => channel.postMessage("?"), 25);
  const counted = async (): Promise<number[]> => [words[Count.TICKS]!, words[Count.FETCHES]!, words[Count.MESSAGES]!];
  const load = fio(disk.path, { rw: "randread", bs: "4k", iodepth: 16, numjobs: 2, thread: 1, runtime: 12, time_based: 1 });
  await Bun.sleep(6_000);
  const before = await counted();
  const requests = words[Count.REQUESTS]! + words[Count.REQUESTS + 1]!;
  await Bun.sleep(3_000);
  const after = await counted();
  const served = words[Count.REQUESTS]! + words[Count.REQUESTS + 1]! - requests;
  clearInterval(sender);
  channel.close();
  await load;
  expect(served).toBeGreaterThan(500);
  // Two Workers take a turn of their event loops every 50 ms: 60 each. A fetch needs a few.
  for (const [i, least] of [30, 6, 30].entries()) expect(after[i]! - before[i]!).toBeGreaterThan(least);
});

/** Two Workers take seconds to start on an emulated machine, the more the busier it is: lifecycle.test.ts counts in the usual run. */
const CYCLES = 20;

ublkTest(false)(
  `create, serve in 2 Workers and delete ${CYCLES} times leaks no descriptor, mapping, thread or device`,
  async () => {
    const cycle = async (): Promise<void> => {
      const disk = await serve(MODULE, { ...serving, options: options().options });
      await disk.stop();
    };
    const { before, after } = await aroundCycles(cycle, CYCLES, 3);
    expect(after.fds).toBeLessThanOrEqual(before.fds);
    expect(after.threads).toBeLessThanOrEqual(before.threads + 1); // the runtime's own helpers come and go
    expect(after.maps).toBeLessThanOrEqual(before.maps + 2 * CYCLES); // a leaked queue is a ring, its buffers and a thread: ten and more
  },
  450_000,
);

test("a module that cannot be served is refused by name, and nothing stays", async () => {
  for (const [name, message] of [
    ["throws", /throws\.ts cannot be imported: this module has a bad day/],
    ["no-default", /no-default\.ts has no default export; export a target/],
    ["misspelt", /misspelt\.ts.*no option 'raed'; did you mean 'read'/],
    ["misspelt-in-attach", /misspelt-in-attach\.ts: attach.*no option 'raed'; did you mean 'read'/],
    ["throws-in-worker", /throws-in-worker\.ts cannot be imported: this module does not like Workers/],
    ["does-not-exist", /does-not-exist\.ts cannot be imported/],
  ] as const) {
    const served = await serve(new URL(`./support/bad-targets/${name}.ts`, import.meta.url), serving).catch((error: Error) => error);
    expect(String(served)).toMatch(message);
    expect(devices()).toEqual([]);
  }
});
