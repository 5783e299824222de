import { afterEach, describe, expect, setDefaultTimeout } from "bun:test";
import { closeSync, openSync, readSync, unlinkSync } from "node:fs";
import { Op, type Operation, readFixed, serve, type UblkDevice, type UblkRequest, UringError, writeFixed } from "uring-ublk";
import { Arena } from "uring-ublk/ffi";
import { UblkControl, type UblkQueue } from "uring-ublk/ublk";
import { FixedBuffer } from "uring-ublk/uring";
import { haveUblk, kernelAtLeast, kernelRelease, requires, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { fio } from "./support/fio.ts";
import { devices, stuckProcesses } from "./support/machine.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const test = requires(haveUblk() && kernelAtLeast("6.16"), "AUTO_BUF_REG needs ublk of Linux 6.16");
/** In the full run only. */
const rare = haveUblk() && kernelAtLeast("6.16") ? ublkTest(false) : test;
const MiB = 2 ** 20;
const NEED_REG_BUF = 0x20000;
const EFAULT = -14;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** A file in memory that is gone when it is closed. */
function backing(): { fd: number; at(offset: number, length: number): Uint8Array } & Disposable {
  const path = `/dev/shm/zero-copy-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const fd = openSync(path, "wx+");
  unlinkSync(path);
  return {
    fd,
    at(offset, length) {
      const bytes = new Uint8Array(length);
      readSync(fd, bytes, 0, length, offset);
      return bytes;
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

type Handle = (request: UblkRequest, queue: UblkQueue) => void | Operation<number> | Promise<number | void>;

async function zeroCopy(
  handle: Handle,
  more: {
    depth?: number;
    batch?: boolean;
    attached?(queue: UblkQueue): void;
    completed?(request: UblkRequest, result: number): void;
    members?: number;
  } = {},
): Promise<UblkDevice> {
  return serve(
    {
      open: () => ({ size: 4 * MiB, zeroCopy: true, members: more.members ?? 2 }),
      attach(queue: UblkQueue) {
        more.attached?.(queue);
        return {
          handle: (request: UblkRequest) => handle(request, queue),
          ...(more.completed === undefined ? {} : { completed: more.completed }),
        };
      },
    },
    { depth: more.depth ?? 16, batch: more.batch ?? false, maxIo: "256 KiB" },
  );
}

/** The data of a request to or from the file, whichever way it goes. */
function move(request: UblkRequest, fd: number): Operation<number> {
  const { buffer, offset } = request;
  if (buffer.kind === "source") return writeFixed({ fd, buffer: buffer.fixed, offset });
  if (buffer.kind === "sink") return readFixed({ fd, buffer: buffer.fixed, offset });
  throw new TypeError("the data is memory");
}

/** The file is as large as the disk: reads are never short. */
async function prepared() {
  const file = backing();
  const { ftruncateSync } = await import("node:fs");
  ftruncateSync(file.fd, 4 * MiB);
  return file;
}

test("request.buffer is a source for WRITE and a sink for READ, and request.bytes says why it is not there", async () => {
  using file = await prepared();
  const kinds = new Set<string>();
  let refusal = "";
  await using disk = await zeroCopy((request) => {
    kinds.add(`${request.name} ${request.buffer.kind}`);
    try {
      void request.bytes;
    } catch (error) {
      refusal = String(error);
    }
    return move(request, file.fd);
  });
  expect(disk.mode).toBe("auto-buf-reg");
  expect(
    await client(disk.path, [
      { do: "write", offset: 8192, length: 16384, fill: 0x5a },
      { do: "read", offset: 8192, length: 16384 },
      { do: "read", offset: 4096, length: 4096 },
    ]),
  ).toMatchObject([{ bytes: 16384 }, { bytes: 16384, first: 0x5a, last: 0x5a }, { bytes: 4096, first: 0, last: 0 }]);
  expect(file.at(8191, 2)).toEqual(new Uint8Array([0, 0x5a]));
  expect([...kinds].sort()).toEqual(["READ sink", "WRITE source"]);
  expect(refusal).toMatch(
    /TypeError: the data stays in the kernel in mode 'auto-buf-reg': use request\.buffer, copyTo or copyFrom, or serve with mode: 'copy'/,
  );
});

ublkTest(false)("fio finds every byte it wrote", async () => {
  using file = await prepared();
  await using disk = await zeroCopy((request) => move(request, file.fd));
  const report = await fio(disk.path, { rw: "randwrite", bsrange: "4k-64k", iodepth: 16, size: "2m", verify: "crc32c", do_verify: 1 });
  expect(report.jobs.every((job) => job.error === 0)).toBe(true);
});

rare("parts of a request's buffer go by operations of their own on the queue's ring", async () => {
  using file = await prepared();
  const half = async (request: UblkRequest, queue: UblkQueue): Promise<number> => {
    const { buffer, offset, length } = request;
    const at = length / 2;
    // The halves change places.
    if (buffer.kind === "source") {
      await Promise.all([
        queue.ring.run(writeFixed({ fd: file.fd, buffer: buffer.fixed.slice(0, at), offset: offset + at })),
        queue.ring.run(writeFixed({ fd: file.fd, buffer: buffer.fixed.slice(at), offset })),
      ]);
    } else if (buffer.kind === "sink") {
      await Promise.all([
        queue.ring.run(readFixed({ fd: file.fd, buffer: buffer.fixed.slice(0, at), offset })),
        queue.ring.run(readFixed({ fd: file.fd, buffer: buffer.fixed.slice(at), offset: offset + at })),
      ]);
    }
    return length;
  };
  await using disk = await zeroCopy(half);
  await client(disk.path, [
    { do: "write", offset: 0, length: 4096, fill: 1 },
    { do: "write", offset: 4096, length: 4096, fill: 2 },
  ]);
  await Bun.write("/dev/shm/zero-copy-pattern", new Uint8Array(8192).fill(1, 0, 4096).fill(2, 4096));
  const dd = Bun.spawn(["dd", "if=/dev/shm/zero-copy-pattern", `of=${disk.path}`, "bs=8192", "count=1", "oflag=direct", "status=none"]);
  expect(await dd.exited).toBe(0);
  expect([file.at(0, 1)[0], file.at(4095, 1)[0], file.at(4096, 1)[0], file.at(8191, 1)[0]]).toEqual([2, 2, 1, 1]);
  expect(await client(disk.path, [{ do: "read", offset: 0, length: 8192 }])).toMatchObject([{ first: 2, last: 1 }]);
});

ublkTest(false)("on the raw layer the wrong direction is EFAULT", async () => {
  using file = await prepared();
  const results: number[] = [];
  await using disk = await zeroCopy(
    (request, queue) => {
      const { buffer } = request;
      if (buffer.kind === "source" && request.offset === MiB)
        queue.raw.readFixed(request.member(), file.fd, 0, 4096, 0, buffer.fixed.index, 0);
      else if (buffer.kind === "sink" && request.offset === MiB)
        queue.raw.writeFixed(request.member(), file.fd, 0, 4096, 0, buffer.fixed.index, 0);
      else return move(request, file.fd);
      return undefined;
    },
    {
      completed: (request, result) => {
        results.push(result);
        request.fail(result);
      },
    },
  );
  expect(
    await client(disk.path, [
      { do: "write", offset: MiB, length: 4096, fill: 1 },
      { do: "read", offset: MiB, length: 4096 },
    ]),
  ).toEqual([{ code: "EIO" }, { code: "EIO" }]);
  expect(results.length).toBeGreaterThanOrEqual(2);
  expect(new Set(results)).toEqual(new Set([EFAULT]));
});

for (const batch of [false, true]) {
  const kind = batch && haveUblk() && !kernelAtLeast("7.0") ? requires(false, "BATCH_IO came with Linux 7.0") : rare;
  describe(batch ? "batched" : "one by one", () => {
    kind("a request whose slot is taken is registered by hand, and its slot is free again", async () => {
      using file = await prepared();
      using squatter = Arena.allocate(4096);
      const depth = batch ? 2 : 1;
      let queue!: UblkQueue;
      let byHand = 0;
      let automatic = 0;
      const indexes = new Set<number>();
      await using disk = await zeroCopy(
        (request) => {
          if ((request.flags & NEED_REG_BUF) !== 0) byHand++;
          else automatic++;
          const { buffer } = request;
          if (buffer.kind !== "memory") indexes.add(buffer.fixed.index);
          return move(request, file.fd);
        },
        {
          depth,
          batch,
          attached(given) {
            queue = given;
            queue.raw.register.updateBuffers(
              0,
              Array.from({ length: depth }, () => ({ address: squatter.address, length: 4096 })),
            );
          },
        },
      );
      for (let i = 0; i < 3; i++) {
        expect(
          await client(disk.path, [
            { do: "write", offset: i * 65536, length: 65536, fill: 10 + i },
            { do: "read", offset: i * 65536, length: 65536 },
          ]),
        ).toMatchObject([{ bytes: 65536 }, { bytes: 65536, first: 10 + i, last: 10 + i }]);
      }
      expect(byHand).toBeGreaterThanOrEqual(6);
      expect(automatic).toBe(0);
      // The table's second half.
      if (batch) expect([[2], [3], [2, 3]]).toContainEqual([...indexes].sort());
      else expect([...indexes]).toEqual([1]);
      // Between two requests the slot is empty; udev looks at a disk again when a writer has closed it.
      const readIt = () =>
        queue.ring.run(readFixed({ fd: file.fd, buffer: new FixedBuffer([...indexes][0]!, 0, 4096, "sink"), offset: 0 }));
      let empty: unknown;
      for (const limit = performance.now() + 20_000; !(empty instanceof Error) && performance.now() < limit; await Bun.sleep(50))
        empty = await readIt().catch((error: unknown) => error);
      expect(empty).toBeInstanceOf(UringError);
      expect((empty as UringError).code).toBe("EFAULT");
      // Once the squatter has left, the kernel registers by itself again (the tag's next request was prepared before).
      queue.raw.register.updateBuffers(
        0,
        Array.from({ length: depth }, () => ({ address: 0, length: 0 })),
      );
      expect(
        await client(disk.path, [
          { do: "read", offset: 0, length: 4096 },
          { do: "read", offset: 65536, length: 4096 },
        ]),
      ).toMatchObject([{ first: 10 }, { first: 11 }]);
      expect(automatic).toBeGreaterThan(0);
    });
  });
}

test("a mode that shows no data is refused for a target that looks at it, with the remedy", async () => {
  const refused = await serve(
    {
      size: MiB,
      read: (buffer) => {
        buffer.fill(0);
      },
    },
    { mode: "auto-buf-reg" },
  ).catch((error: Error) => error);
  expect(String(refused)).toMatch(
    /mode is 'auto-buf-reg', but the target looks at the data \(zeroCopy is not set\); leave mode out, or use 'copy'/,
  );
});

const before = requires(haveUblk() && !kernelAtLeast("6.16"), `kernels before 6.16 refuse the mode, and this is ${kernelRelease()}`);
before("mode 'auto-buf-reg' is refused with the kernel that brought it", async () => {
  const refused = await serve(
    { size: MiB, zeroCopy: true, handle: (request: UblkRequest) => request.complete() },
    { mode: "auto-buf-reg" },
  ).catch((error: Error) => error);
  expect(String(refused)).toMatch(/mode 'auto-buf-reg'.*EOPNOTSUPP.*Linux 6\.16.*Leave mode out, or use 'copy'/);
  await using disk = await serve({ size: MiB, zeroCopy: true, handle: (request: UblkRequest) => request.complete() });
  expect(disk.mode).toBe("copy");
});

const anywhere = requires(haveUblk(), "needs a kernel with ublk");
for (const mode of ["copy", "auto-buf-reg"] as const) {
  (mode === "copy" ? anywhere : rare)(`a commit that the kernel refuses is repeated, not dropped: ${mode}`, async () => {
    let spoilt = 0;
    let seen = 0;
    await using disk = await serve(
      {
        open: () => ({ size: MiB, zeroCopy: true, members: 0 }),
        attach: (queue: UblkQueue) => ({
          handle(request: UblkRequest) {
            if (request.op === Op.READ && mode === "copy") request.bytes.fill(3);
            if (++seen % 3 === 0) {
              // The payload names a tag that does not exist: EINVAL, and the request stays ours.
              queue.raw.words[(request.tag << queue.raw.sqeShift) + 12] = 0xffff_0000 | 0;
              spoilt++;
            }
            request.complete();
          },
        }),
      },
      { mode, depth: 4 },
    );
    const report = await fio(disk.path, { rw: "randread", bs: "4k", iodepth: 8, number_ios: 300 });
    expect(report.jobs.every((job) => job.error === 0)).toBe(true);
    expect(spoilt).toBeGreaterThan(50);
    await using control = await UblkControl.open();
    expect((await control.getDeviceInfo1(disk.id)).state).toBe("live");
  });
}
