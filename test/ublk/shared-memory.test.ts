// usual kernels: the newest
// file timeout: 900 s
/** Memory that a disk shares with its clients (`UBLK_F_SHMEM_ZC`): who sees what where, and how it ends. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { openSync, unlinkSync, writeFileSync } from "node:fs";
import { type DataMode, MODES, Op, type ServeOptions, serve, UblkControl, type UblkDevice, type UblkRequest } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { SharedTable } from "../../src/ublk/shared-table.ts";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, isFullRun, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { aroundCycles, devices, stuckProcesses, until } from "./support/machine.ts";
import { Server } from "./support/server.ts";
import { sharingClient } from "./support/sharing-client.ts";
import { OTHER, SHARED } from "./support/sharing-target.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const KiB = 1024;
const SIZE = 4 * 2 ** 20;
const AT = SIZE / 2 + 512; // probers of file systems read whole pages
const ours = ({ offset }: { offset: number }): boolean => offset >= AT && offset % 4096 !== 0;
const has = haveUblk() && kernelAtLeast("7.1");
const test = requires(has, "shared memory needs ublk of Linux 7.1");
const longTest = has ? ublkTest(false) : test;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

interface Seen {
  op: string;
  offset: number;
  shared: boolean;
  /** Whose memory the target saw. */
  buffer: ArrayBuffer;
  at: number;
}

/** A disk in memory that notes what it was shown of our requests. */
async function noting(options: ServeOptions<never> = {}): Promise<{ disk: UblkDevice; data: Uint8Array; seen: Seen[] }> {
  const data = new Uint8Array(SIZE);
  const seen: Seen[] = [];
  const handle = (request: UblkRequest): void => {
    const { offset, op, length, bytes, shared } = request;
    if (ours(request)) seen.push({ op: request.name, offset, shared, buffer: bytes.buffer, at: bytes.byteOffset });
    if (op === Op.WRITE) data.set(bytes, offset);
    else bytes.set(data.subarray(offset, offset + length));
    request.complete();
  };
  const disk = await serve({ size: SIZE, handle }, { sharedMemory: true, depth: 8, maxIo: "256 KiB", ...options });
  return { disk, data, seen };
}

test("a client's request in shared memory is its own memory, whichever way the data goes; others are served as ever", async () => {
  const { disk, data, seen } = await noting();
  await using _ = disk;
  expect(disk.explain().sharedMemory).toMatch(/are not copied; there are 0 pieces/);
  const near = await disk.shareMemory({ size: 64 * KiB });
  const far = await disk.shareMemory({ size: 64 * KiB, readOnly: true });
  expect(disk.explain().sharedMemory).toMatch(/there are 2 pieces/);
  expect([near.index, far.index, near.size, far.readOnly, near.bytes.length]).toEqual([0, 1, 64 * KiB, true, 64 * KiB]);
  data.fill(0x77, AT + 64 * KiB, AT + 128 * KiB);
  const own = 128 * KiB; // behind the two
  const results = await sharingClient(
    disk.path,
    [near, far],
    [
      { do: "write", at: 8 * KiB, offset: AT, length: 4 * KiB, fill: 1 },
      { do: "read", at: 20 * KiB, offset: AT + 64 * KiB, length: 32 * KiB },
      { do: "write", at: own, offset: AT + 4 * KiB, length: 4 * KiB, fill: 2 },
      { do: "read", at: own, offset: AT + 64 * KiB, length: 4 * KiB },
      { do: "write", at: 60 * KiB, offset: AT + 8 * KiB, length: 8 * KiB, fill: 3 }, // in two pieces
      { do: "write", at: 64 * KiB, offset: AT + 16 * KiB, length: 4 * KiB, fill: 4 }, // in the one that is only for writing
      { do: "read", at: 68 * KiB, offset: AT + 64 * KiB, length: 4 * KiB },
      { do: "write", at: 9 * KiB, offset: AT + 20 * KiB, length: 1 * KiB, fill: 5 }, // not at a page
      { do: "read", at: own, offset: AT, length: 4 * KiB },
    ],
  );
  const filled = { first: 0x77, last: 0x77, same: true };
  expect(results).toEqual([
    { bytes: 4096 },
    { bytes: 32768, ...filled },
    { bytes: 4096 },
    { bytes: 4096, ...filled },
    { bytes: 8192 },
    { bytes: 4096 },
    { bytes: 4096, ...filled },
    { bytes: 1024 },
    { bytes: 4096, first: 1, last: 1, same: true },
  ]);
  const where = ({ buffer, at }: Seen): unknown =>
    buffer === near.bytes.buffer ? `near ${at / KiB}` : buffer === far.bytes.buffer ? `far ${at / KiB}` : "copied";
  expect(seen.map((one) => [one.op, one.shared, where(one)])).toEqual([
    ["WRITE", true, "near 8"],
    ["READ", true, "near 20"],
    ["WRITE", false, "copied"],
    ["READ", false, "copied"],
    ["WRITE", false, "copied"],
    ["WRITE", true, "far 0"],
    ["READ", false, "copied"],
    ["WRITE", true, "near 9"],
    ["READ", false, "copied"],
  ]);
  const blocks = [0, 4, 8, 12, 16, 20].map((at) => data[AT + at * KiB]);
  expect(blocks).toEqual([1, 2, 3, 3, 4, 5]);
  // What the target put into a READ is in the memory that both have mapped.
  expect([near.bytes[20 * KiB], near.bytes[52 * KiB - 1], near.bytes[52 * KiB]]).toEqual([0x77, 0x77, 0]);

  await near.release();
  await near.release();
  expect([near.bytes.length, far.bytes.length]).toEqual([0, 64 * KiB]);
  await disk.stop(); // with one still registered
  expect(far.bytes.length).toBe(0);
  await far.release();
  await expect(disk.shareMemory({ size: 4096 })).rejects.toThrow("shareMemory: the disk is stopped");
});

longTest("what cannot be shared is refused in words", async () => {
  const { disk } = await noting();
  await using _ = disk;
  await using control = await UblkControl.open();
  const fd = sys.memfdCreate("twice");
  await sh(`truncate -s 16384 /proc/${process.pid}/fd/${fd}`);
  await using once = await disk.shareMemory({ fd });
  expect([once.fd, once.size]).toEqual([fd, 16384]);
  const refused = async (work: Promise<unknown>): Promise<string> => String(await work.catch((error) => error));
  expect(await refused(disk.shareMemory({ fd, size: 4096 }))).toMatch(/UblkError.*REG_BUF.*EEXIST.*registered with the device already/);
  expect(await refused(disk.shareMemory({ fd, size: 32768 }))).toMatch(/RangeError.*size is 32768, but the file has 16384 bytes/);
  expect(await refused(disk.shareMemory({ size: 5000 }))).toMatch(/RangeError.*size is 5000; it must be a multiple of the page size/);
  expect(await refused(disk.shareMemory({ size: "5 GiB" }))).toMatch(/RangeError.*size is 5368709120; .*4 GiB/);
  expect(await refused(disk.shareMemory({}))).toMatch(/TypeError.*size is missing/);
  expect(await refused(disk.shareMemory({ sise: 1 } as never))).toMatch(/did you mean 'size'/);
  const file = `/dev/shm/sharing-${process.pid}`;
  writeFileSync(file, new Uint8Array(4096));
  const forReading = openSync(file, "r");
  expect(await refused(disk.shareMemory({ fd: forReading }))).toMatch(/TypeError.*open for reading only; .*readOnly: true/);
  await using reading = await disk.shareMemory({ fd: forReading, readOnly: true });
  expect(reading.bytes.length).toBe(4096);
  for (const open of [fd, forReading]) sys.close(open);
  await sh(`rm ${file}`);

  const nowhere = sys.mmap(0, 4096, 3, 0x22, -1, 0);
  sys.munmap(nowhere, 4096);
  expect(await refused(control.regBuf(disk.id, { addr: nowhere, len: 4096 }))).toMatch(/REG_BUF.*EFAULT.*the memory is not mapped/);
  expect(await refused(control.regBuf(disk.id, { addr: nowhere + 8, len: 4096 }))).toMatch(
    /RangeError.*addr is 0x.*multiple of the page size/,
  );
  expect(await refused(control.regBuf(disk.id, { addr: nowhere, len: 0 }))).toMatch(/RangeError.*len is 0/);
  expect(await refused(control.unregBuf(disk.id, 77))).toMatch(/UNREG_BUF.*ENOENT.*nothing is registered under this index/);
  expect(await refused(control.unregBuf(disk.id, 65536))).toMatch(/RangeError.*index is 65536/);

  await using plain = await serve({ size: 4096, read: () => {} });
  expect(plain.explain().sharedMemory).toBe("possible: serve with sharedMemory: true");
  expect(await refused(plain.shareMemory({ size: 4096 }))).toMatch(/TypeError.*serve it with sharedMemory: true/);
  expect(await refused(control.regBuf(plain.id, { addr: nowhere, len: 4096 }))).toMatch(/REG_BUF.*EOPNOTSUPP.*sharedMemory: true/);
});

longTest("two Workers see it while it is registered and released under load, and no request is lost or wrong", async () => {
  const data = new SharedArrayBuffer(SIZE);
  const counters = new SharedArrayBuffer(16);
  const words = new Int32Array(counters);
  const failures: unknown[] = [];
  await using disk = await serve(new URL("./support/sharing-target.ts", import.meta.url), {
    queues: 2,
    depth: 8,
    maxIo: "128 KiB",
    sharedMemory: true,
    options: { data, counters },
  });
  disk.on("requesterror", (event) => failures.push(event));
  const fd = sys.memfdCreate("under load");
  await sh(`truncate -s ${256 * KiB} /proc/${process.pid}/fd/${fd}`);
  const map = { path: `/proc/${process.pid}/fd/${fd}`, size: 256 * KiB };
  const enough = `/dev/shm/sharing-${process.pid}-enough`;
  const loads = [0, 1].map((i) =>
    sharingClient(disk.path, [map], [{ do: "churn", at: i * 64 * KiB, offset: AT + i * 64 * KiB, length: 16 * KiB, until: enough }]),
  );
  const all = Promise.all(loads);
  all.catch(() => {}); // looked at below
  const count = (kind: number): number => Atomics.load(words, kind) + Atomics.load(words, 2 + kind);
  const more = async (kind: number): Promise<void> => {
    const before = count(kind);
    await until(() => count(kind) > before + 10, "served", 60_000);
  };
  await more(OTHER);
  for (let round = 0; round < (isFullRun() ? 3 : 1); round++) {
    const shared = await disk.shareMemory({ fd });
    await more(SHARED);
    await shared.release();
    expect(shared.bytes.length).toBe(0);
    await more(OTHER);
  }
  writeFileSync(enough, "");
  const results = (await all).flat();
  unlinkSync(enough);
  expect(results.map(({ wrong }) => wrong)).toEqual([0, 0]);
  expect(failures).toEqual([]);
  for (const [i, { times }] of results.entries()) {
    const last = new Uint8Array(data, AT + i * 64 * KiB, 16 * KiB);
    expect([...new Set(last)]).toEqual([times! & 0xff]);
  }
  sys.close(fd);
});

for (const { name } of MODES.filter(({ name: mode }) => mode !== "copy")) {
  longTest(`in mode ${name} too`, async () => {
    const data = new Uint8Array(SIZE).fill(0x44, AT, AT + 8192);
    const kinds: unknown[] = [];
    const handle = (request: UblkRequest): void => {
      const { offset, length, op, shared } = request;
      if (ours(request)) kinds.push([request.name, shared, shared ? request.bytes.byteOffset : undefined, request.buffer.kind]);
      if (op === Op.WRITE) request.copyTo(data.subarray(offset, offset + length));
      else request.copyFrom(data.subarray(offset, offset + length));
      request.complete();
    };
    await using disk = await serve({ size: SIZE, zeroCopy: true, handle }, { sharedMemory: true, mode: name as DataMode, depth: 8 });
    const memory = await disk.shareMemory({ size: 64 * KiB });
    const results = await sharingClient(
      disk.path,
      [memory],
      [
        { do: "write", at: 4096, offset: AT + 8192, length: 8192, fill: 6 },
        { do: "read", at: 16384, offset: AT + 4096, length: 8192 },
        { do: "write", at: 64 * KiB, offset: AT, length: 4096, fill: 7 },
        { do: "read", at: 64 * KiB, offset: AT + 8192, length: 4096 },
      ],
    );
    expect(results).toMatchObject([
      { bytes: 8192 },
      { bytes: 8192, first: 0x44, last: 6 },
      { bytes: 4096 },
      { bytes: 4096, first: 6, same: true },
    ]);
    expect([data[AT], data[AT + 8192], memory.bytes[16384], memory.bytes[24575]]).toEqual([7, 6, 0x44, 6]);
    const lends = MODES.find((mode) => mode.name === name)!.lends;
    const [source, sink] = lends ? ["source", "sink"] : ["memory", "memory"];
    expect(kinds).toEqual([
      ["WRITE", true, 4096, source],
      ["READ", true, 16384, sink],
      ["WRITE", false, undefined, source],
      ["READ", false, undefined, sink],
    ]);
  });
}

longTest("operations of the ring move it: members, and what is lent", async () => {
  const fd = sys.memfdCreate("backing");
  using _ = { [Symbol.dispose]: () => sys.close(fd) }; // after the disk: others would get its number
  await sh(`truncate -s ${SIZE} /proc/${process.pid}/fd/${fd}`);
  await using disk = await serve(
    {
      open: () => ({ size: SIZE, members: 1 }),
      attach: () => ({
        handle(request: UblkRequest) {
          const { offset } = request;
          if (offset < AT + 65536) return request.op === Op.READ ? request.readFrom(fd, offset) : request.writeTo(fd, offset);
          return request.op === Op.READ ? request.sink().readFrom({ fd, offset }) : request.source().writeTo({ fd, offset });
        },
        completed: (request: UblkRequest, result: number) => (result < 0 ? request.fail(result) : request.complete(result)),
      }),
    },
    { sharedMemory: true, depth: 8 },
  );
  await using memory = await disk.shareMemory({ size: 64 * KiB });
  const steps = [AT, AT + 65536].flatMap((offset, i) => [
    { do: "write", at: 4096, offset, length: 8192, fill: 3 + i } as const,
    { do: "read", at: 16384, offset: offset + 4096, length: 4096 } as const,
  ]);
  const results = await sharingClient(disk.path, [memory], steps);
  expect(results).toMatchObject([{ bytes: 8192 }, { first: 3, same: true }, { bytes: 8192 }, { first: 4, same: true }]);
  expect([memory.bytes[4096], memory.bytes[16384]]).toEqual([4, 4]);
});

longTest("nothing of it is left, however often", async () => {
  const { before, after } = await aroundCycles(
    async () => {
      const { disk } = await noting();
      const first = await disk.shareMemory({ size: 64 * KiB });
      await disk.shareMemory({ size: 64 * KiB });
      await first.release();
      await disk.stop();
    },
    4,
    2,
  );
  expect(after.fds).toBeLessThanOrEqual(before.fds);
  expect(after.maps).toBeLessThanOrEqual(before.maps + 4);
});

longTest("a registration waits for a request that nobody answers, and the server can be killed meanwhile", async () => {
  await using server = await Server.start("sharing-server.ts");
  const id = Number(/\d+$/.exec(server.path)![0]);
  const reading = client(server.path, [{ do: "read", offset: 2 ** 21 + 2560, length: 512 }]);
  await server.said(/share UblkError.*REG_BUF.*ETIMEDOUT.*it waits for every request in flight/, 60_000);
  server.child.kill("SIGKILL");
  await server.end(20_000);
  expect(await reading).toEqual([{ code: "EIO" }]);
  await until(() => stuckProcesses().length === 0, "free of processes in D state");
  await using control = await UblkControl.open();
  await control.deleteDevice(id);
});

longTest("a stop ends a registration that waits", async () => {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const read = (_buffer: Uint8Array, offset: number): Promise<void> | undefined => {
    if (offset !== AT) return undefined;
    resolve();
    return new Promise(() => {});
  };
  const disk = await serve({ size: SIZE, read }, { sharedMemory: true, depth: 8 });
  const reading = client(disk.path, [{ do: "read", offset: AT, length: 512 }]);
  await asked;
  const sharing = disk.shareMemory({ size: 4096 }).catch((error: unknown) => String(error));
  await Bun.sleep(3_000); // the command is on its way by then; the test holds in either case
  await disk.stop({ grace: 0 });
  expect(await reading).toEqual([{ code: "EIO" }]);
  const shared = await sharing; // it went through once nothing was in flight, or came too late
  expect(typeof shared === "string" ? shared : String(shared.bytes.length)).toMatch(/^0$|REG_BUF.*ENODEV/);
});

ublkTest(true)("an index that nobody knows yet is that of what is being registered", () => {
  const table = new SharedTable();
  const reader = new SharedTable(table.memory);
  expect(reader.find(0)).toBe(false);
  table.expect(2 ** 47 - 4096, 4 * 2 ** 30);
  expect([reader.find(5), reader.address, reader.length]).toEqual([true, 2 ** 47 - 4096, 4 * 2 ** 30]);
  table.set(5, 2 ** 47 - 4096, 4 * 2 ** 30);
  table.expectNothing();
  expect([reader.find(5), reader.find(6), reader.find(65535)]).toEqual([true, false, false]);
  table.expect(8192, 4096);
  expect([reader.find(5), reader.address, reader.find(6), reader.address]).toEqual([true, 2 ** 47 - 4096, true, 8192]);
  table.clear(5);
  table.leave(8192, 4096);
  reader.left();
  expect([reader.leaving, table.gone]).toEqual([8192, 1]);
});

const older = requires(haveUblk() && !kernelAtLeast("7.1"), haveUblk() ? "this kernel has SHMEM_ZC" : "needs a kernel with ublk");
older("sharedMemory is refused with the kernel that brought it, and nothing is left", async () => {
  const refused = await serve({ size: 4096, read: () => {} }, { sharedMemory: true }).catch((error) => error);
  expect(String(refused)).toMatch(/UblkError.*sharedMemory.*EOPNOTSUPP.*has no SHMEM_ZC; it came with Linux 7\.1\. Leave sharedMemory out/);
});
