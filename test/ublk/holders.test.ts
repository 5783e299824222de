// usual kernels: none
// file timeout: 900 s
/** Who uses a disk, and stopping one that nobody uses. */
import { afterEach, describe, expect, setDefaultTimeout } from "bun:test";
import { existsSync } from "node:fs";
import { type Holder, holdersInWords, holdersOf, serve, type UblkDevice } from "uring-ublk";
import { abi, UblkControl } from "uring-ublk/ublk";
import { writeBackFirst } from "../../src/ublk/write-back-first.ts";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, requires, ublkTest } from "../support/requires.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";
import { RawDevice } from "./support/raw-device.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const test = ublkTest(true);
const long = ublkTest(false);
const features = await (async () => {
  if (!haveUblk()) return 0;
  await using control = await UblkControl.open();
  return control.features;
})();
const safe = haveUblk() && (features & abi.UBLK_F_SAFE_STOP_DEV) === 0 ? requires(false, "TRY_STOP_DEV needs Linux 7.0") : test;
const MiB = 2 ** 20;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** A disk in memory with these bytes at its start. */
function ram(start: Uint8Array = new Uint8Array()) {
  const data = new Uint8Array(16 * MiB);
  data.set(start);
  return {
    data,
    target: {
      size: data.length,
      read: (buffer: Uint8Array, offset: number) => void buffer.set(data.subarray(offset, offset + buffer.length)),
      write: (buffer: Uint8Array, offset: number) => void data.set(buffer, offset),
      flush: () => {},
    },
  };
}

/** An MBR with one Linux partition from sector 2048 to the end. */
function partitioned(): Uint8Array {
  const table = new Uint8Array(512);
  const entry = new DataView(table.buffer, 446, 16);
  entry.setUint8(4, 0x83);
  entry.setUint32(8, 2048, true);
  entry.setUint32(12, (16 * MiB) / 512 - 2048, true);
  table.set([0x55, 0xaa], 510);
  return table;
}

/** A process that has a disk open until it is told to let go. */
async function opener(path: string) {
  const child = Bun.spawn(["sh", "-c", 'exec 3<"$0"; echo open; read line', path], { stdin: "pipe", stdout: "pipe" });
  await child.stdout.getReader().read();
  const close = async (): Promise<void> => {
    child.stdin.end();
    await child.exited;
  };
  return { pid: child.pid, close };
}

const SETTLED = /udev/;
/** Who is there besides udev, which may look at any time. */
const lasting = (disk: UblkDevice): Holder[] => holdersOf(disk.id).filter((one) => one.kind !== "process" || !SETTLED.test(one.command));

describe("holdersOf", () => {
  test("names mounts, partitions, swap, devices on top, and processes that have it open or mapped", async () => {
    await using disk = await serve(ram(partitioned()).target);
    const part = `${disk.path}p1`;
    await sh("udevadm settle");
    await until(() => existsSync(part), "partitioned", 60_000);
    expect(lasting(disk)).toEqual([]);

    const reader = await opener(disk.path);
    expect(lasting(disk)).toEqual([{ kind: "process", device: disk.path, pid: reader.pid, command: "sh" }]);
    await reader.close();

    await sh(`mkfs.ext4 -q "$1"; mkdir "/tmp/a place"; mount "$1" "/tmp/a place"`, part);
    expect(lasting(disk)).toEqual([{ kind: "mount", device: part, path: "/tmp/a place" }]);
    expect(holdersInWords(lasting(disk))).toBe("mounted on /tmp/a place");
    await sh(`umount "/tmp/a place"; rmdir "/tmp/a place"`);

    const loop = await sh(`losetup --find --show "$1"`, part);
    expect(lasting(disk)).toEqual([{ kind: "device", device: part, name: loop.slice("/dev/".length) }]);
    await sh(`losetup -d "$1"`, loop);
    await until(() => lasting(disk).length === 0, "let go by the loop device");

    await sh(`dmsetup create holders-test --table "0 2048 linear $1 0"`, part);
    const [mapped] = lasting(disk);
    expect(mapped).toMatchObject({ kind: "device", device: part });
    expect(holdersInWords([mapped!])).toMatch(/^below the device dm-\d+ \(holders-test\)$/);
    await sh(`udevadm settle; dmsetup remove --retry holders-test`);

    await sh(`mkswap "$1" >/dev/null; swapon "$1"`, part);
    expect(lasting(disk)).toEqual([{ kind: "swap", device: part }]);
    await sh(`swapoff "$1"`, part);
    expect(lasting(disk)).toEqual([]);
  });

  long("names who has only mapped it, and who mounted it elsewhere", async () => {
    await using disk = await serve(ram().target);
    await sh("udevadm settle");
    const program = `
      const { Arena, sys } = await import("uring-ublk/ffi");
      const fd = sys.open(${JSON.stringify(disk.path)}, 0);
      globalThis.kept = Arena.map(fd, 0, 4096, 1);
      sys.close(fd);
      console.log("mapped");
      await new Response(Bun.stdin).text();`;
    const mapper = Bun.spawn([process.execPath, "-e", program], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    await mapper.stdout.getReader().read();
    expect(lasting(disk)).toMatchObject([{ kind: "process", device: disk.path, pid: mapper.pid }]);
    mapper.stdin.end();
    await mapper.exited;

    await sh(`mkfs.ext4 -q "$1"`, disk.path);
    const elsewhere = Bun.spawn(["unshare", "--mount", "sh", "-c", 'mount "$0" /mnt; echo mounted; read line', disk.path], {
      stdin: "pipe",
      stdout: "pipe",
    });
    await elsewhere.stdout.getReader().read();
    expect(lasting(disk)).toEqual([{ kind: "mount", device: disk.path, path: "/mnt" }]);
    elsewhere.stdin.end();
    await elsewhere.exited;
    await until(() => lasting(disk).length === 0, "unmounted");
  });
});

describe("stop({ ifUnused })", () => {
  safe("leaves a disk alone that somebody uses, says who, and the disk serves on", async () => {
    const { target, data } = ram();
    const disk = await serve(target);
    const states: string[] = [];
    disk.on("state", (state) => void states.push(state));
    await sh(`mkfs.ext4 -q "$1"; mkdir /tmp/used; mount "$1" /tmp/used`, disk.path);
    const reader = await opener(disk.path);
    const message = new RegExp(`TRY_STOP_DEV.*EBUSY.*used by mounted on /tmp/used, open in process ${reader.pid} \\(sh\\)`);
    await expect(disk.stop({ ifUnused: true })).rejects.toThrow(message);
    expect(disk.state).toBe("live");
    await reader.close();
    await expect(disk.stop({ ifUnused: true })).rejects.toThrow(/EBUSY.*mounted on \/tmp\/used\)/);
    expect(states).toEqual([]);
    await sh("echo still here > /tmp/used/file; sync -f /tmp/used; umount /tmp/used; rmdir /tmp/used");
    expect(Buffer.from(data).includes("still here\n")).toBe(true);
    await disk.stop({ ifUnused: true });
    expect(states).toEqual(["stopping", "stopped"]);
    await disk.finished;
  });

  safe("waits for udev, which looks at a disk that was written to", async () => {
    for (let round = 0; round < 3; round++) {
      const disk = await serve(ram().target);
      await sh(`echo > "$1"`, disk.path); // udev looks when it is closed
      await disk.stop({ ifUnused: true });
      await disk.finished;
    }
  });

  safe("gives way to a stop without conditions, and to the disk's own end", async () => {
    const disk = await serve(ram().target);
    const reader = await opener(disk.path);
    const asked = disk.stop({ ifUnused: true });
    await disk.stop();
    await asked;
    expect(disk.state).toBe("stopped");
    await disk.stop({ ifUnused: true }); // it is what it was asked for
    await reader.close();
  });

  const old = haveUblk() && (features & abi.UBLK_F_SAFE_STOP_DEV) !== 0 ? requires(false, "this kernel has TRY_STOP_DEV") : test;
  old("is refused before Linux 7.0, with what can be done", async () => {
    await using disk = await serve(ram().target);
    await expect(disk.stop({ ifUnused: true })).rejects.toThrow(
      /TRY_STOP_DEV.*EOPNOTSUPP.*SAFE_STOP_DEV; it came with Linux 7\.0.*holdersOf\(\d+\)/,
    );
    expect(disk.state).toBe("live");
  });

  test("refuses options that there are not", async () => {
    await using disk = await serve(ram().target);
    expect(() => disk.stop({ ifUnusd: true } as never)).toThrow(/stop: there is no option 'ifUnusd'; did you mean 'ifUnused'/);
    expect(() => disk.stop({ ifUnused: 1 } as never)).toThrow(/ifUnused is 1/);
  });
});

describe("DEL_DEV_ASYNC", () => {
  test("does not wait for who has the disk open; the id is free once they let go", async () => {
    await using device = await RawDevice.make();
    const { control, info } = device;
    device.serve();
    await device.start();
    const reader = await opener(device.path);
    await device.stop();
    device.release();
    const start = performance.now();
    await control.deleteDeviceAsync(info.id);
    expect(performance.now() - start).toBeLessThan(4_000); // DEL_DEV would wait for ever
    expect(devices()).toEqual([]);
    await expect(control.addDevice({ id: info.id, queues: 1, depth: 1, maxIoBytes: 4096, flags: 0 })).rejects.toThrow(/EEXIST/);
    await reader.close();
    const again = async (): Promise<boolean> => {
      const added = await control.addDevice({ id: info.id, queues: 1, depth: 1, maxIoBytes: 4096, flags: 0 }).catch(() => undefined);
      return added !== undefined;
    };
    for (const end = performance.now() + 20_000; !(await again()); await Bun.sleep(50)) expect(performance.now()).toBeLessThan(end);
    await control.deleteDevice(info.id);
  });
});

describe("before a device is stopped whose dirty pages STOP_DEV would drop", () => {
  const flags = abi.UBLK_F_USER_RECOVERY;
  /** A process that has written to a disk and not synced. */
  async function writer(path: string) {
    const child = Bun.spawn(["sh", "-c", 'exec 3<>"$0"; printf dirty >&3; echo written; read line', path], {
      stdin: "pipe",
      stdout: "pipe",
    });
    await child.stdout.getReader().read();
    return child;
  }

  test("a child writes them back", async () => {
    await using device = await RawDevice.make({ flags });
    const written: string[] = [];
    device.serve((request) => {
      if (request.op === 1) written.push(Buffer.from(device.data(0).subarray(0, 5)).toString());
      return request.length;
    });
    await device.start();
    const child = await writer(device.path);
    await writeBackFirst(device.info, 60_000);
    expect(written).toEqual(["dirty"]);
    await device.stop();
    child.kill("SIGKILL");
    await child.exited;
  });

  long("a server that does not answer has the stop refused, by the names of those who would lose something", async () => {
    await using device = await RawDevice.make({ flags });
    const { promise: answer, resolve } = Promise.withResolvers<void>();
    device.serve(async (request) => {
      if (request.op === 1) await answer;
      return request.length;
    });
    await device.start();
    const child = await writer(device.path);
    const refused = new RegExp(`stop 'device ${device.info.id}': ETIMEDOUT.*would be lost.*used by.*open in process ${child.pid} \\(sh\\)`);
    await expect(writeBackFirst(device.info, 2_000)).rejects.toThrow(refused);
    resolve();
    await until(() => !holdersOf(device.info.id).some((one) => one.kind === "process" && one.pid !== child.pid), "left by the child");
    child.kill("SIGKILL");
    await child.exited;
  });

  test("others are stopped as they are: STOP_DEV writes back", async () => {
    for (const other of [0, abi.UBLK_F_USER_RECOVERY | abi.UBLK_F_USER_RECOVERY_FAIL_IO])
      await writeBackFirst({ id: 999, flags: other }, 1); // which would find no such device
  });
});
