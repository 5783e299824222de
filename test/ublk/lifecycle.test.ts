// usual kernels: the newest
// file timeout: 1800 s
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { existsSync } from "node:fs";
import { serve } from "uring-ublk";
import { readState, UblkControl, UblkError } from "uring-ublk/ublk";
import { haveUblk, requires, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { fio } from "./support/fio.ts";
import { aroundCycles, devices, stuckProcesses } from "./support/machine.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours

const test = requires(haveUblk(), "needs a kernel with ublk");

function ram(bytes = 16 * 2 ** 20) {
  const data = new Uint8Array(bytes);
  return {
    size: bytes,
    read: (buffer: Uint8Array, offset: number) => {
      buffer.set(data.subarray(offset, offset + buffer.length));
    },
    write: (buffer: Uint8Array, offset: number) => {
      data.set(buffer, offset);
    },
    flush: () => {},
  };
}

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

test("a served disk can be opened, reports its size, and is gone after stop", async () => {
  const disk = await serve(ram());
  expect(existsSync(disk.path)).toBe(true);
  expect(disk.state).toBe("live");
  expect(await client(disk.path, [{ do: "size" }, { do: "block-size" }, { do: "read-only" }])).toEqual([
    { bytes: 16 * 2 ** 20 },
    { bytes: 512 },
    { bytes: 0 },
  ]);
  expect(readState(disk.id)?.pid).toBe(process.pid);
  await disk.stop();
  expect(disk.state).toBe("stopped");
  expect(existsSync(disk.path)).toBe(false);
  expect(readState(disk.id)).toBeUndefined();
  await disk.finished;
});

ublkTest(false)("stopping twice is one stop", async () => {
  const disk = await serve(ram());
  const first = disk.stop();
  expect(disk.stop()).toBe(first);
  await first;
});

ublkTest(false)("await using deletes the disk at the end of its scope", async () => {
  let path: string;
  {
    await using disk = await serve(ram());
    path = disk.path;
    expect(existsSync(path)).toBe(true);
  }
  expect(existsSync(path)).toBe(false);
});

test("a chosen id is used, and a taken one is refused with the remedy", async () => {
  await using disk = await serve(ram(), { id: 7 });
  expect(disk.path).toBe("/dev/ublkb7");
  await expect(serve(ram(), { id: 7 })).rejects.toThrow(/ADD_DEV.*EEXIST.*id is taken/);
  await Bun.sleep(500); // whatever comes after the refusal
  expect(disk.state).toBe("live");
  expect(await client(disk.path, [{ do: "size" }])).toEqual([{ bytes: 16 * 2 ** 20 }]); // and the one that has it keeps it
});

test("more queues than CPUs are refused before anything is made", async () => {
  let opened = 0;
  const target = {
    open: () => {
      opened++;
      return { size: 4096 };
    },
    attach: () => ({ read: () => {} }),
  };
  await expect(serve(target, { queues: 64 })).rejects.toThrow(/queues is 64, but this machine has \d+ CPUs; use at most/);
  expect(opened).toBe(0);
});

test("geometry that the driver would refuse is refused before anything is made", async () => {
  for (const [target, message] of [
    [{ ...ram(), size: 1000 }, /size is 1000 bytes; it must be a positive multiple of the block size/],
    [{ ...ram(), size: 0 }, /size is 0/],
    [{ ...ram(), size: "lots" }, /size is 'lots'/],
    [{ ...ram(), blockSize: 8192 }, /blockSize is 8192 bytes; it must be a power of two from 512 to 4096/],
    [{ ...ram(), blockSize: 1000 }, /blockSize is 1000/],
    [{ size: 4096, raed: () => {} }, /no option 'raed'; did you mean 'read'/],
    [{ size: 4096 }, /read is missing/],
  ] as const) {
    await expect(serve(target as never)).rejects.toThrow(message);
  }
  for (const [options, message] of [
    [{ depth: 0 }, /depth is 0; it must be an integer from 1 to 4096/],
    [{ depth: 5000 }, /depth is 5000/],
    [{ queues: 1.5 }, /queues is 1.5/],
    [{ maxIo: 5000 }, /maxIo is 5000 bytes; it must be a multiple of 4096/],
    [{ maxIo: "64 MiB" }, /maxIo is 67108864/],
    [{ mode: "zero" }, /mode is 'zero'/],
    [{ id: -1 }, /id is -1/],
    [{ dept: 4 }, /no option 'dept'; did you mean 'depth'/],
    [{ serialize: true, queues: 2 }, /serialize needs queues: 1/],
  ] as const) {
    await expect(serve(ram(), options as never)).rejects.toThrow(message);
  }
});

test("a target that throws in open, attach or close leaves no device", async () => {
  const whole = { open: () => ({ size: 4096 }), attach: () => ({ read: () => {} }) };
  await expect(
    serve({
      ...whole,
      open: () => {
        throw new Error("no backing store");
      },
    }),
  ).rejects.toThrow("no backing store");
  await expect(
    serve({
      ...whole,
      attach: () => {
        throw new Error("cannot attach");
      },
    }),
  ).rejects.toThrow("cannot attach");
  const disk = await serve({
    ...whole,
    close: () => {
      throw new Error("cannot close");
    },
  });
  await disk.stop();
  await expect(disk.finished).rejects.toThrow("cannot close");
});

const CYCLES = 50;
const DISKS = 20;

ublkTest(false)(
  `create, serve and delete ${CYCLES} times leaks no descriptor, mapping, thread or device`,
  async () => {
    const cycle = async (): Promise<void> => {
      const disk = await serve(ram(2 ** 20), { depth: 8, maxIo: 65536 });
      await disk.stop();
    };
    const { before, after } = await aroundCycles(cycle, CYCLES, 5);
    expect(after.fds).toBe(before.fds);
    expect(after.threads).toBeLessThanOrEqual(before.threads + 1); // the runtime's own helpers come and go
    expect(after.maps).toBeLessThanOrEqual(before.maps + 10); // the garbage collector maps and unmaps, but not once per device
  },
  900_000,
);

ublkTest(false)(
  `${DISKS} disks at once under fio in one process`,
  async () => {
    const disks = await Promise.all(Array.from({ length: DISKS }, () => serve(ram(4 * 2 ** 20), { depth: 16, maxIo: 65536 })));
    try {
      const reports = await Promise.all(
        disks.map((disk) =>
          fio(disk.path, {
            rw: "randwrite",
            bs: "4k",
            iodepth: 8,
            size: "1m",
            verify: "crc32c",
            do_verify: 1,
            loops: 4,
          }),
        ),
      );
      for (const report of reports) expect(report.jobs.every((job) => job.error === 0)).toBe(true);
    } finally {
      await Promise.all(disks.map((disk) => disk.stop()));
    }
  },
  900_000,
);

test("a device in use is stopped, and its id is free when the last opener lets go", async () => {
  const disk = await serve(ram());
  const holder = Bun.spawn(["sh", "-c", `exec 3<${disk.path}; echo open; read line`], { stdin: "pipe", stdout: "pipe" });
  await holder.stdout.getReader().read();
  await disk.stop();
  expect(existsSync(disk.path)).toBe(false);
  holder.stdin.write("\n");
  holder.stdin.end();
  await holder.exited;
  await using again = await serve(ram());
  expect(again.state).toBe("live");
}, 180_000);

ublkTest(false)(
  "a slow module-less target keeps the process's timers alive",
  async () => {
    await using disk = await serve(ram());
    let ticks = 0;
    const timer = setInterval(() => ticks++, 10);
    const start = performance.now();
    await fio(disk.path, { rw: "randread", bs: "4k", iodepth: 32, runtime: 2, time_based: 1 });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan((performance.now() - start) / 10 / 4);
  },
  60_000,
);

test("the legacy encoding of the commands works where the driver has it", async () => {
  await using disk = await serve(ram(), { encoding: "legacy" });
  expect(
    await client(disk.path, [
      { do: "write", offset: 0, length: 4096, fill: 5 },
      { do: "read", offset: 0, length: 4096 },
    ]),
  ).toMatchObject([{ bytes: 4096 }, { first: 5, last: 5 }]);
});

test("every control command answers, and errors name command, device and remedy", async () => {
  await using control = await UblkControl.open();
  expect(control.features & 0x40).toBe(0x40);
  await expect(control.getDeviceInfo(999)).rejects.toThrow(/GET_DEV_INFO2 'device 999': ENODEV/);
  const info = await control.addDevice({ queues: 1, depth: 4, maxIoBytes: 70000, flags: 0 });
  try {
    expect(info).toMatchObject({ queues: 1, depth: 4, maxIoBytes: 69632, state: "dead", pid: -1 });
    expect((await control.getDeviceInfo1(info.id)).id).toBe(info.id);
    expect((await control.getDeviceInfo2(info.id)).id).toBe(info.id);
    expect((await control.getQueueAffinity(info.id, 0)).length).toBeGreaterThan(0);
    await expect(control.startDevice(info.id, 0)).rejects.toThrow(/START_DEV.*EINVAL/);
    await control.stopDevice(info.id); // never started: fine
    const limit = new AbortController();
    setTimeout(() => limit.abort(new Error("enough")), 100);
    await control.setParams(info.id, {
      size: 2 ** 20,
      blockSize: 512,
      physicalBlockSize: 4096,
      ioMin: 512,
      ioOpt: 4096,
      maxIoBytes: 65536,
      readOnly: false,
      rotational: true,
      volatileCache: true,
      fua: true,
      maxDiscardBytes: 2 ** 20,
      discardGranularity: 4096,
      maxWriteZeroesBytes: 2 ** 20,
      dmaAlignmentMask: 511,
    });
    expect(await control.getParams(info.id)).toMatchObject({
      size: 2 ** 20,
      rotational: true,
      volatileCache: true,
      fua: true,
      maxDiscardBytes: 2 ** 20,
      dmaAlignmentMask: 511,
    });
    await expect(control.startDevice(info.id, process.pid, { signal: limit.signal })).rejects.toThrow("enough"); // nobody fetches
    await expect(control.startDevice(info.id, process.pid, { timeoutMs: 100 })).rejects.toThrow(/START_DEV.*ETIMEDOUT.*100 ms/);
  } finally {
    if ((control.features & 0x20000) !== 0) await control.deleteDeviceAsync(info.id);
    else await control.deleteDevice(info.id);
  }
});

const safeStop = requires(haveUblk() && (await features()) >= 0x20000, "TRY_STOP_DEV needs Linux 7.0");
async function features(): Promise<number> {
  if (!haveUblk()) return 0;
  await using control = await UblkControl.open();
  return control.features;
}

safeStop(
  "TRY_STOP_DEV refuses while the disk is open and stops it after",
  async () => {
    const disk = await serve(ram());
    await using control = await UblkControl.open();
    const holder = Bun.spawn(["sh", "-c", `exec 3<${disk.path}; echo open; read line`], { stdin: "pipe", stdout: "pipe" });
    await holder.stdout.getReader().read();
    await expect(control.tryStopDevice(disk.id)).rejects.toThrow(/TRY_STOP_DEV.*EBUSY.*open/);
    holder.stdin.write("\n");
    holder.stdin.end();
    await holder.exited;
    await tryStop(control, disk.id); // udev may look at a disk at any time: that counts as open, for a moment
    await disk.stop();
  },
  60_000,
);

/** TRY_STOP_DEV, as often as somebody still has the disk open. */
async function tryStop(control: UblkControl, id: number): Promise<void> {
  const until = performance.now() + 10_000;
  for (;;) {
    try {
      return await control.tryStopDevice(id);
    } catch (error) {
      if (!(error instanceof UblkError) || error.code !== "EBUSY" || performance.now() > until) throw error;
      await Bun.sleep(50);
    }
  }
}
