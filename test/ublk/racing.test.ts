// usual kernels: none
// file timeout: 1800 s
/** Programs that want the same id at once, and udev, which looks at disks whenever it likes. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { join } from "node:path";
import { serve } from "uring-ublk";
import { readState } from "uring-ublk/ublk";
import { sh, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, isFullRun, ublkTest } from "../support/requires.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";

setDefaultTimeout(400_000); // an emulated machine, and neighbours
const test = ublkTest(true);
const ROUNDS = isFullRun() ? 5 : 1;
const ID = 5;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** A program that waits for the start, and all that it has said. */
function contestant(gate: string) {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "support/racing-server.ts"), String(ID), gate], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const one = { child, said: "" };
  void (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout as unknown as AsyncIterable<Uint8Array>) one.said += decoder.decode(chunk, { stream: true });
  })();
  return one;
}

test("of three programs that want one id at the same time one has it, and the others leave it alone", async () => {
  await using directory = await workDirectory("/dev/shm");
  for (let round = 0; round < ROUNDS; round++) {
    const gate = join(directory.path, `go-${round}`);
    const all = [1, 2, 3].map(() => contestant(gate));
    await until(() => all.every(({ said }) => said.includes("waiting")), "waiting", 120_000);
    await Bun.write(gate, "");
    await until(() => all.every(({ said }) => /disk|refused/.test(said)), "decided", 120_000);
    const [winner, ...more] = all.filter(({ said }) => said.includes(`disk /dev/ublkb${ID}`));
    expect(more).toEqual([]);
    for (const { said, child } of all.filter((one) => one !== winner)) {
      expect(said).toContain("refused ADD_DEV EEXIST");
      expect(await child.exited).toBe(0);
    }
    expect(readState(ID)?.pid).toBe(winner!.child.pid);
    await sh(`dd if="$1" of=/dev/null bs=4k count=1 iflag=direct status=none`, `/dev/ublkb${ID}`);
    winner!.child.kill("SIGTERM");
    expect(await winner!.child.exited).toBe(143);
    expect({ devices: devices(), state: readState(ID) }).toEqual({ devices: [], state: undefined });
  }
});

test("an id that is free again is the next one's, with its state", async () => {
  // Each starts while the one before it stops.
  let before: Promise<unknown> = Promise.resolve();
  for (let round = 0; round < ROUNDS * 4; round++) {
    const disk = await (async () => {
      for (const end = performance.now() + 60_000; ; await Bun.sleep(1)) {
        try {
          return await serve({ size: 2 ** 20, read: (buffer) => void buffer.fill(0) }, { id: ID, depth: 4, maxIo: 65536 });
        } catch (error) {
          if ((error as { code?: string }).code !== "EEXIST" || performance.now() > end) throw error;
        }
      }
    })();
    await before;
    expect(readState(ID)?.pid).toBe(process.pid);
    before = disk.stop();
  }
  await before;
});

const PROBES = `while :; do
  udevadm trigger --action=change --sysname-match='ublkb*' 2>/dev/null
  for disk in /dev/ublkb*; do blkid -p "$disk" >/dev/null 2>&1 || true; done
done`;

test("udev and blkid look all the time while disks come and go", async () => {
  const prober = Bun.spawn(["sh", "-c", PROBES], { stdio: ["ignore", "ignore", "ignore"] });
  try {
    for (let round = 0; round < ROUNDS * 4; round++) {
      const target = { size: 4 * 2 ** 20, read: (buffer: Uint8Array) => void buffer.fill(0), write: () => {}, flush: () => {} };
      const disk = await serve(target, { depth: 8, maxIo: 65536, queues: (round % 2) + 1 });
      await disk.stop();
      expect(disk.state).toBe("stopped");
    }
  } finally {
    prober.kill("SIGKILL");
    await prober.exited;
    await sh("udevadm settle");
  }
  await until(() => devices().length === 0, "free of devices that somebody looked at", 30_000);
});
