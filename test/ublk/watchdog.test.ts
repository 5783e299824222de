// usual kernels: none
/** What takes too long is told of, once, by whoever can tell. */
import { afterEach, describe, expect, setDefaultTimeout } from "bun:test";
import { serve } from "uring-ublk";
import type { SlowEvent, UblkDevice } from "uring-ublk/ublk";
import { ROOT } from "../support/child.ts";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, isFullRun, ublkTest } from "../support/requires.ts";
import { devices, stuckProcesses } from "./support/machine.ts";
import { AWAITS, BLOCK, BLOCKS, read, SIZE } from "./support/slow-target.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const test = ublkTest(true);
const MODULE = new URL("./support/slow-target.ts", import.meta.url);
const LIMIT = 600;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

function listen(disk: UblkDevice): SlowEvent[] {
  const events: SlowEvent[] = [];
  disk.on("slow", (event) => events.push(event));
  return events;
}

const reads = (disk: UblkDevice, ...offsets: number[]) =>
  Promise.all(
    offsets.map((offset) => sh("dd if=$1 of=/dev/null bs=$2 count=1 skip=$3 iflag=direct status=none", disk.path, BLOCK, offset / BLOCK)),
  );

const served = {
  "in a Worker": () => serve(MODULE, { queues: 1, watchdogMs: LIMIT }),
  "on the calling thread": () => serve({ size: SIZE, read }, { watchdogMs: LIMIT }),
};

for (const [where, start] of Object.entries(served)) {
  describe(where, () => {
    const test = ublkTest(where === "in a Worker");
    test("requests that stay open are told of once, with the oldest", async () => {
      await using disk = await start();
      const events = listen(disk);
      await reads(disk, 0, AWAITS + 8 * BLOCK, 4 * BLOCK);
      const slow = events.filter(({ request }) => request !== undefined);
      expect(slow).toHaveLength(1);
      expect(slow[0]).toMatchObject({ queue: 0, requests: 1, request: { op: "READ", offset: AWAITS + 8 * BLOCK, length: BLOCK } });
      expect(slow[0]!.ms).toBeGreaterThanOrEqual(LIMIT);
      // Each request anew, and all that have become slow in one event, or as they did.
      await reads(disk, AWAITS, AWAITS + BLOCK, AWAITS + 2 * BLOCK);
      const later = events.filter(({ request }) => request !== undefined).slice(1);
      expect(later.reduce((sum, { requests }) => sum + requests, 0)).toBe(3);
    });

    test("a thread that does not come back from a handler is told of", async () => {
      await using disk = await start();
      const events = listen(disk);
      for (let round = 1; round <= (isFullRun() ? 3 : 1); round++) {
        await reads(disk, BLOCKS);
        await Bun.sleep(LIMIT); // the calling thread can only tell afterwards
        const blocked = events.filter(({ request }) => request === undefined);
        expect(blocked.length).toBeGreaterThanOrEqual(round);
        expect(blocked.length).toBeLessThanOrEqual(round * 2); // once, and not at every look; this machine may stand still as well
        for (const event of blocked) expect(event).toMatchObject({ queue: 0, requests: 0 });
        expect(Math.min(...blocked.map(({ ms }) => ms))).toBeGreaterThanOrEqual(LIMIT);
      }
    });
  });
}

test("unheard, it goes to stderr, and the watchdog keeps no process alive", async () => {
  const program = `
    import { serve } from "uring-ublk";
    const disk = await serve(new URL(${JSON.stringify(MODULE.href)}), { watchdogMs: ${LIMIT} });
    for (const offset of [${AWAITS}, ${BLOCKS}])
      await Bun.$\`dd if=\${disk.path} of=/dev/null iflag=direct bs=${BLOCK} count=1 skip=\${offset / ${BLOCK}}\`.quiet();
    await disk.stop();`;
  const child = Bun.spawn([process.execPath, "-e", program], { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [err, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  expect(status).toBe(0);
  const lines = err.trim().split("\n");
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^uring-ublk: \/dev\/ublkb\d+: a READ of 4096 bytes at 26214400 \(queue 0\) has been open for \d+ ms$/);
  expect(lines[1]).toMatch(
    /^uring-ublk: \/dev\/ublkb\d+: the thread of queue 0 has not come back to its loop for \d+ ms: a handler blocks it, or something else$/,
  );
});

test("nobody looks unless asked to, and a limit that is none is refused", async () => {
  await using disk = await serve(MODULE, { queues: 1 });
  const events = listen(disk);
  await reads(disk, AWAITS);
  expect(events).toEqual([]);
  const refused = await serve(MODULE, { watchdogMs: 10 }).catch((error: unknown) => error);
  expect(String(refused)).toMatch(/watchdogMs is 10; it must be/);
});
