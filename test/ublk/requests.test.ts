import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { type DeferredRequest, Op, serve, type UblkRequest } from "uring-ublk";
import { haveUblk, requires } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { fio } from "./support/fio.ts";
import { devices, stuckProcesses } from "./support/machine.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours

const test = requires(haveUblk(), "needs a kernel with ublk");
const MiB = 2 ** 20;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

test("a handler that throws for one range gives EIO there and nowhere else", async () => {
  const errors: unknown[] = [];
  await using disk = await serve({
    size: MiB,
    read: (buffer, offset) => {
      if (offset <= 65536 && offset + buffer.length > 65536) throw new Error("bad sector");
      buffer.fill(3);
    },
  });
  disk.on("requesterror", (event) => errors.push(event));
  const results = await client(
    disk.path,
    [
      { do: "read", offset: 0, length: 4096 },
      { do: "read", offset: 65536, length: 4096 },
      { do: "read", offset: 131072, length: 4096 },
    ],
    "read-only",
  );
  expect(results).toMatchObject([{ bytes: 4096, first: 3 }, { code: "EIO" }, { bytes: 4096, first: 3 }]);
  expect(errors.length).toBeGreaterThan(0);
  expect(errors[0]).toMatchObject({ op: "READ", error: { message: "bad sector" } });
});

test("errors keep the errno they carry", async () => {
  await using disk = await serve({
    size: MiB,
    read: (buffer) => {
      buffer.fill(0);
    },
    write: async () => {
      throw Object.assign(new Error("full"), { code: "ENOSPC" });
    },
  });
  disk.on("requesterror", () => {});
  expect(await client(disk.path, [{ do: "write", offset: 0, length: 4096, fill: 1 }])).toEqual([{ code: "ENOSPC" }]);
});

test("FLUSH, FUA, DISCARD and WRITE_ZEROES with NOUNMAP reach the methods that exist", async () => {
  const seen: string[] = [];
  await using disk = await serve({
    size: MiB,
    fua: true,
    read: (buffer) => {
      buffer.fill(0);
    },
    write: (_buffer, offset, { fua }) => {
      seen.push(`write ${offset} ${fua}`);
    },
    flush: async () => {
      await Bun.sleep(1);
      seen.push("flush");
    },
    discard: (offset, length) => {
      seen.push(`discard ${offset} ${length}`);
    },
    writeZeroes: (offset, length, { noUnmap }) => {
      seen.push(`zero ${offset} ${length} ${noUnmap}`);
    },
  });
  expect(disk.params).toMatchObject({ volatileCache: true, fua: true, maxDiscardBytes: 2 ** 30 });
  expect(
    await client(disk.path, [
      { do: "write", offset: 0, length: 4096, fill: 1 },
      { do: "write", offset: 8192, length: 4096, fill: 1, fua: true },
      { do: "flush" },
      { do: "discard", offset: 65536, length: 8192 },
      { do: "zero", offset: 131072, length: 4096 },
      { do: "zero", offset: 262144, length: 4096, punch: true },
    ]),
  ).toMatchObject([{ bytes: 4096 }, { bytes: 4096 }, { bytes: 0 }, { bytes: 0 }, { bytes: 0 }, { bytes: 0 }]);
  for (const event of [
    "write 0 false",
    "write 8192 true",
    "flush",
    "discard 65536 8192",
    "zero 131072 4096 true",
    "zero 262144 4096 false",
  ])
    expect(seen).toContain(event);
});

test("a disk without write is read-only, and one without flush has no cache to flush", async () => {
  await using disk = await serve({
    size: MiB,
    read: (buffer) => {
      buffer.fill(0);
    },
  });
  expect(disk.params).toMatchObject({ readOnly: true, volatileCache: false, fua: false, maxDiscardBytes: 0 });
  expect(await client(disk.path, [{ do: "read-only" }], "read-only")).toEqual([{ bytes: 1 }]);
});

test("a FLUSH that is not supported is never reported as done", async () => {
  await using disk = await serve({
    size: MiB,
    handle(request: UblkRequest) {
      if (request.op === Op.FLUSH) request.fail(-95);
      else request.complete();
    },
    ops: { flush: true },
  });
  expect(await client(disk.path, [{ do: "write", offset: 0, length: 4096, fill: 1 }, { do: "flush" }])).toMatchObject([
    { bytes: 4096 },
    { code: "EIO" },
  ]);
});

test("partial results come again until the request is whole; no progress is an error, never a loop", async () => {
  const parts: string[] = [];
  await using disk = await serve({
    size: MiB,
    handle(request: UblkRequest) {
      if (request.op === Op.WRITE && request.offset === 4 * 65536) request.complete(0);
      else if (request.op === Op.READ && request.length > 8192) {
        parts.push(`${request.offset}+${request.length}`);
        request.bytes.fill(9, 0, 8192);
        request.complete(8192 + 100); // the odd bytes do not count
        for (const again of [() => request.complete(), () => request.complete(4096), () => request.fail(-5)])
          expect(again).toThrow(/no open request/);
      } else {
        if (request.op === Op.READ) request.bytes.fill(9);
        request.complete();
      }
    },
  });
  expect(await client(disk.path, [{ do: "read", offset: 65536, length: 32768 }])).toMatchObject([{ bytes: 32768, first: 9, last: 9 }]);
  expect(parts.slice(-3)).toEqual(["65536+32768", "73728+24576", "81920+16384"]);
  expect(await client(disk.path, [{ do: "write", offset: 4 * 65536, length: 4096, fill: 1 }])).toEqual([{ code: "EIO" }]);
});

test("the rest of a WRITE comes again too, with its own data, in a turn of its own, and an async handler may end parts", async () => {
  const data = new Uint8Array(MiB);
  const parts: string[] = [];
  await using disk = await serve({
    size: MiB,
    async handle(request: UblkRequest) {
      const { offset, length, bytes, op } = request;
      const part = Math.min(length, 8192);
      if (op === Op.WRITE) {
        parts.push(`${offset}+${length}`);
        data.set(bytes.subarray(0, part), offset);
        if (offset % 16384 === 0) await Bun.sleep(1);
      } else bytes.set(data.subarray(offset, offset + part));
      return part;
    },
  });
  const write = { do: "write", offset: 65536, length: 32768, fill: 7 } as const;
  expect(await client(disk.path, [write, { do: "read", offset: 65536, length: 32768 }])).toMatchObject([
    { bytes: 32768 },
    { bytes: 32768, first: 7, last: 7 },
  ]);
  expect(parts).toEqual(["65536+32768", "73728+24576", "81920+16384", "90112+8192"]);
  expect(data.subarray(65536, 65536 + 32768).every((byte) => byte === 7)).toBe(true);
});

test("a part of a request may fail: the client hears of it, and of nothing else", async () => {
  await using disk = await serve({
    size: MiB,
    handle(request: UblkRequest) {
      if (request.op !== Op.WRITE || request.length < 8192) return request.complete();
      if (request.offset === 69632) request.fail(-28);
      else request.complete(4096);
    },
  });
  expect(
    await client(disk.path, [
      { do: "write", offset: 65536, length: 32768, fill: 7 },
      { do: "write", offset: 131072, length: 8192, fill: 7 },
    ]),
  ).toMatchObject([{ code: "ENOSPC" }, { bytes: 8192 }]);
});

test("a stale token throws and does not complete the tag's next request", async () => {
  const tokens: DeferredRequest[] = [];
  let stale: unknown;
  await using disk = await serve(
    {
      size: MiB,
      handle(request: UblkRequest) {
        if (request.op === Op.READ) request.bytes.fill(1);
        const token = request.defer();
        tokens.push(token);
        queueMicrotask(() => {
          token.complete();
          try {
            token.complete();
          } catch (error) {
            stale = error;
          }
        });
      },
    },
    { depth: 1 },
  );
  await client(disk.path, [
    { do: "read", offset: 0, length: 4096 },
    { do: "read", offset: 8192, length: 4096 },
  ]);
  expect(String(stale)).toMatch(/stale/);
  expect(tokens.every((token) => !token.open)).toBe(true);
  expect(() => tokens[0]!.fail(-5)).toThrow(/stale/);
});

test("the recycled request object is void after the handler's call", async () => {
  let kept: UblkRequest | undefined;
  await using disk = await serve({
    size: MiB,
    handle(request: UblkRequest) {
      kept = request;
      request.complete();
    },
  });
  await client(disk.path, [{ do: "read", offset: 0, length: 4096 }]);
  expect(() => kept!.complete()).toThrow(/valid during the handler's call only/);
  expect(() => kept!.bytes).toThrow(/valid during/);
});

test("a handler that forgets its request fails it, and the disk lives on", async () => {
  const errors: string[] = [];
  await using disk = await serve({
    size: MiB,
    handle: (request: UblkRequest) => {
      if (request.offset !== 65536) request.complete();
    },
  });
  disk.on("requesterror", ({ error }) => errors.push(String(error)));
  expect(
    await client(disk.path, [
      { do: "read", offset: 65536, length: 4096 },
      { do: "read", offset: 0, length: 4096 },
    ]),
  ).toMatchObject([{ code: "EIO" }, { bytes: 4096 }]);
  expect(errors.join()).toMatch(/without completing, failing or deferring/);
});

test("stop gives requests their grace, then EIO and an aborted signal", async () => {
  let aborted: unknown;
  const disk = await serve({
    size: MiB,
    read: (buffer, offset, { signal }) => {
      if (offset !== 65536) return void buffer.fill(0);
      return new Promise<void>((_, reject) =>
        signal.addEventListener("abort", () => {
          aborted = signal.reason;
          reject(signal.reason);
        }),
      );
    },
  });
  disk.on("requesterror", () => {});
  const stuck = client(disk.path, [{ do: "read", offset: 65536, length: 4096 }], "read-only");
  await Bun.sleep(1500);
  await disk.stop({ grace: 200 });
  expect(await stuck).toEqual([{ code: "EIO" }]);
  expect(String(aborted)).toMatch(/stopping/);
});

test("serialize runs one request at a time", async () => {
  let running = 0;
  let most = 0;
  await using disk = await serve(
    {
      size: MiB,
      read: async (buffer) => {
        most = Math.max(most, ++running);
        await Bun.sleep(1);
        buffer.fill(4);
        running--;
      },
    },
    { serialize: true },
  );
  await fio(disk.path, { rw: "randread", bs: "4k", iodepth: 16, number_ios: 100 });
  expect(most).toBe(1);
});

test("a buffer touched after stop reads nothing and does not crash", async () => {
  let kept: Uint8Array | undefined;
  const disk = await serve({
    size: MiB,
    read: (buffer) => {
      kept = buffer;
      buffer.fill(1);
    },
  });
  await client(disk.path, [{ do: "read", offset: 0, length: 4096 }], "read-only");
  await disk.stop();
  expect(kept!.length).toBe(0);
  expect(kept![0]).toBeUndefined();
  expect(() => kept!.set([1])).toThrow();
});

test("the largest request, 512-byte requests and a partial tail arrive whole", async () => {
  const size = 8 * MiB + 3 * 512;
  const data = new Uint8Array(size);
  await using disk = await serve(
    {
      size,
      read: (buffer, offset) => {
        buffer.set(data.subarray(offset, offset + buffer.length));
      },
      write: (buffer, offset) => {
        data.set(buffer, offset);
      },
    },
    { maxIo: "1 MiB" },
  );
  const results = await client(disk.path, [
    { do: "write", offset: 0, length: 2 * MiB, fill: 7 },
    { do: "write", offset: 512, length: 512, fill: 8 },
    { do: "write", offset: size - 512, length: 512, fill: 9 },
    { do: "read", offset: 0, length: 2 * MiB },
    { do: "read", offset: 512, length: 512 },
    { do: "read", offset: size - 1536, length: 1536 },
  ]);
  expect(results).toMatchObject([
    { bytes: 2 * MiB },
    { bytes: 512 },
    { bytes: 512 },
    { bytes: 2 * MiB, first: 7, last: 7 },
    { bytes: 512, first: 8, last: 8 },
    { bytes: 1536, last: 9 },
  ]);
  expect([data[511], data[512], data[1023], data[1024], data[size - 1], data[size - 513]]).toEqual([7, 8, 8, 7, 9, 0]);
});

test("fio finds every byte it wrote, with sync and async handlers mixed", async () => {
  const data = new Uint8Array(16 * MiB);
  await using disk = await serve({
    size: data.length,
    read: (buffer, offset) => {
      buffer.set(data.subarray(offset, offset + buffer.length));
    },
    write: async (buffer, offset) => {
      if ((offset >> 12) % 3 === 0) await Bun.sleep(0);
      data.set(buffer, offset);
    },
    flush: () => {},
  });
  const report = await fio(disk.path, {
    rw: "randwrite",
    bsrange: "512-64k",
    iodepth: 16,
    numjobs: 4,
    size: "4m",
    offset_increment: "4m",
    verify: "crc32c",
    do_verify: 1,
    bs_unaligned: 0,
    blockalign: 512,
  });
  expect(report.jobs.every((job) => job.error === 0)).toBe(true);
}, 120_000);
