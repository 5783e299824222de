// usual kernels: the newest
// file timeout: 900 s
/**
 * Every data mode: the same targets over each, as far as their nature permits, and every byte looked at from outside. In the usual run each
 * test runs in one mode or two, and each mode in some test.
 */
import { afterEach, describe, expect, setDefaultTimeout } from "bun:test";
import { readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { type DataMode, MODES, type ModeInfo, Op, type ServeOptions, serve, type UblkDevice, type UblkRequest } from "uring-ublk";
import { loop, memory } from "uring-ublk/targets";
import type { UblkQueue } from "uring-ublk/ublk";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, isFullRun, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { fio } from "./support/fio.ts";
import { devices, stuckProcesses } from "./support/machine.ts";

setDefaultTimeout(120_000); // an emulated machine, and neighbours
const MiB = 2 ** 20;
const SIZE = 4 * MiB;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** A test in a mode: in the usual run where the mode is one of those. */
function testIn({ name, since }: ModeInfo, ...usual: DataMode[]) {
  if (haveUblk() && !kernelAtLeast(since)) return requires(false, `mode ${name} came with Linux ${since}`);
  return ublkTest(usual.includes(name));
}
const anywhere = requires(haveUblk(), "needs a kernel with ublk");

/** A file in memory with noise in it. */
function noise(): { path: string; bytes: Uint8Array } & Disposable {
  const path = `/dev/shm/modes-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const bytes = new Uint8Array(SIZE);
  for (let at = 0; at < SIZE; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  writeFileSync(path, bytes);
  return { path, bytes, [Symbol.dispose]: () => unlinkSync(path) };
}

/** Random writes of all sizes, read again and compared. */
async function verified(path: string, iodepth = 16): Promise<boolean> {
  const load = { rw: "randwrite", bsrange: "512-128k", blockalign: 512, size: "3m", verify: "crc32c", do_verify: 1 };
  const { jobs } = await fio(path, { ...load, iodepth, ...(isFullRun() ? { loops: 3 } : {}) });
  return jobs.every((job) => job.error === 0);
}

/** A disk in memory that reaches its data by copyTo and copyFrom alone: it serves in every mode. */
function copying(
  data: Uint8Array,
  mode: DataMode,
  options: ServeOptions<never> = {},
  more: { partly?: boolean } = {},
): Promise<UblkDevice> {
  const handle = (request: UblkRequest): void => {
    const { offset, length, op } = request;
    if (op === Op.FLUSH) {
      request.complete();
      return;
    }
    const bytes = more.partly === true && length > 4096 ? Math.ceil(length / 2 / 512) * 512 : length;
    if (op === Op.WRITE) request.copyTo(data.subarray(offset, offset + bytes));
    else request.copyFrom(data.subarray(offset, offset + bytes));
    request.complete(bytes);
  };
  return serve({ size: data.length, zeroCopy: true, handle, ops: { flush: true } }, { depth: 32, maxIo: "128 KiB", mode, ...options });
}

for (const info of MODES) {
  const { name: mode, lends } = info;

  describe(mode, () => {
    for (const [where, queues] of [
      ["the calling thread", 1],
      ["two Workers", 2],
    ] as const) {
      testIn(info)(`a file as a disk, served by ${where}: fio finds every byte it wrote`, async () => {
        using file = noise();
        const options = { path: file.path };
        const target = queues === 1 ? loop(options) : loop.url;
        await using disk = await serve(target, {
          mode,
          queues,
          depth: 32,
          maxIo: "128 KiB",
          ...(queues === 1 ? {} : { options }),
        } as never);
        expect(disk.mode).toBe(mode);
        const [read] = await client(disk.path, [{ do: "read", offset: 65536, length: 131072 }]);
        expect(read).toMatchObject({ bytes: 131072, first: file.bytes[65536], last: file.bytes[196607] });
        expect(await verified(disk.path)).toBe(true);
        await client(disk.path, [{ do: "write", offset: SIZE - 131072, length: 131072, fill: 0x3c }]);
        await disk.stop();
        expect(readFileSync(file.path).subarray(SIZE - 131072)).toEqual(Buffer.alloc(131072, 0x3c));
        expect(readFileSync(file.path).subarray(3 * MiB, SIZE - 131072)).toEqual(Buffer.from(file.bytes.subarray(3 * MiB, SIZE - 131072)));
      });
    }

    testIn(info, "auto-buf-reg")("a target that copies to and from its own memory", async () => {
      const data = new Uint8Array(SIZE);
      await using disk = await copying(data, mode);
      expect(await verified(disk.path, 32)).toBe(true);
      await client(disk.path, [{ do: "write", offset: 512, length: 1024, fill: 9 }]);
      expect(data.subarray(512, 1536).every((byte) => byte === 9)).toBe(true);
    });

    if (!lends)
      testIn(info, "user-copy")("the memory target", async () => {
        await using disk = await serve(memory({ size: SIZE }), { mode, depth: 8, maxIo: "128 KiB" });
        expect(await verified(disk.path)).toBe(true);
      });

    if (!lends)
      testIn(info)("data is asked for in vain when the request is over, and that does no harm to the next", async () => {
        const data = new Uint8Array(SIZE);
        const asked: string[] = [];
        const handle = (request: UblkRequest): void => {
          const { offset, op } = request;
          if (op === Op.READ) request.bytes.set(data.subarray(offset, offset + request.length));
          else data.set(request.bytes, offset);
          request.complete(request.length);
          try {
            void request.bytes;
          } catch (error) {
            asked.push(String(error));
          }
        };
        await using disk = await serve({ size: SIZE, handle }, { mode, depth: 1 });
        expect(await verified(disk.path, 4)).toBe(true);
        if (mode === "user-copy") expect(asked[0]).toMatch(/TypeError: the request is finished already/);
      });

    testIn(info, "user-copy")("a request that is done in part comes again with the rest", async () => {
      const data = new Uint8Array(SIZE);
      await using disk = await copying(data, mode, {}, { partly: true });
      expect(await verified(disk.path)).toBe(true);
    });

    if (!lends)
      testIn(info, "need-get-data")("methods, synchronous and not", async () => {
        const data = new Uint8Array(SIZE);
        let calls = 0;
        await using disk = await serve(
          {
            size: SIZE,
            read: (buffer, offset) => {
              buffer.set(data.subarray(offset, offset + buffer.length));
              return ++calls % 2 === 0 ? Promise.resolve() : undefined;
            },
            write: async (buffer, offset) => {
              if (++calls % 3 === 0) await Bun.sleep(1); // the data is still there afterwards
              data.set(buffer, offset);
            },
          },
          { mode, depth: 32, maxIo: "128 KiB" },
        );
        expect(await verified(disk.path, 32)).toBe(true);
      });

    if (!lends)
      testIn(info)("a failed request ends alone, and what a READ gets is what the target wrote", async () => {
        await using disk = await serve(
          {
            size: SIZE,
            read: (buffer, offset) => {
              buffer.fill(7);
              if (offset === 8192) throw new Error("a bad sector");
            },
            write: (_buffer, offset) => {
              if (offset === 8192) throw Object.assign(new Error("full"), { code: "ENOSPC", errno: -28 });
            },
          },
          { mode },
        );
        disk.on("requesterror", () => {});
        expect(
          await client(disk.path, [
            { do: "read", offset: 8192, length: 4096 },
            { do: "write", offset: 8192, length: 4096, fill: 1 },
            { do: "read", offset: 0, length: 4096 },
            { do: "write", offset: 0, length: 4096, fill: 1 },
          ]),
        ).toMatchObject([{ code: "EIO" }, { code: "ENOSPC" }, { bytes: 4096, first: 7, last: 7 }, { bytes: 4096 }]);
      });

    testIn(info)("copyTo and copyFrom refuse what lies outside, the wrong way, and a request that is over", async () => {
      const told: { [Kind in "READ" | "WRITE"]: string[] } = { READ: [], WRITE: [] };
      const refusal = (call: () => void): string => {
        try {
          call();
          return "none";
        } catch (error) {
          return String(error);
        }
      };
      const block = new Uint8Array(512);
      const written = (request: UblkRequest): string[] => {
        const early = [() => request.copyTo(block, request.length), () => request.copyTo(block, -1), () => request.copyFrom(block)];
        const refused = early.map(refusal);
        const later = request.defer();
        later.copyTo(block, 512);
        later.complete();
        return [...refused, `the second block holds ${block[0]}`, refusal(() => later.copyTo(block))];
      };
      const handle = (request: UblkRequest): void => {
        if (request.op === Op.WRITE) told.WRITE = written(request);
        else {
          request.copyFrom(new Uint8Array(request.length));
          request.complete();
          told.READ = [refusal(() => request.copyFrom(block))];
        }
      };
      await using disk = await serve({ size: SIZE, zeroCopy: true, handle }, { mode });
      await client(disk.path, [
        { do: "write", offset: 4096, length: 1024, fill: 5 },
        { do: "read", offset: 4096, length: 512 },
      ]);
      expect(told.WRITE).toEqual([
        expect.stringMatching(/RangeError: bytes 1024\.\.1536 lie outside the request of 1024 bytes/),
        expect.stringMatching(/RangeError: bytes -1\.\.511 lie outside/),
        expect.stringMatching(/TypeError: .*copyFrom and sink are for READ requests/),
        "the second block holds 5",
        expect.stringMatching(/TypeError: .*this token is stale/),
      ]);
      expect(told.READ).toEqual([expect.stringMatching(/TypeError: the request is finished already/)]);
    });

    testIn(info)("a disk that is stopped under load leaves nothing", async () => {
      const data = new Uint8Array(SIZE);
      const disk = await copying(data, mode);
      const load = fio(disk.path, { rw: "randrw", bs: "4k", iodepth: 32, time_based: 1, runtime: 30 }).catch((error: Error) => error);
      await Bun.sleep(1_500);
      await disk.stop({ grace: 500 });
      expect(String(await load)).toMatch(/status 1/);
    });

    if (lends)
      testIn(info, "zero-copy")("explain says what was chosen, and why not the others", async () => {
        await using disk = await copying(new Uint8Array(SIZE), mode);
        const { others, ...chosen } = disk.explain();
        expect(chosen).toMatchObject({ mode, why: "it was asked for", meaning: expect.stringContaining("pages") });
        expect(others.map(({ mode: other }) => other).sort()).toEqual(
          MODES.map(({ name }) => name)
            .filter((name) => name !== mode)
            .sort(),
        );
        expect(others.find(({ mode: other }) => other === "copy")!.why).toBe("possible: serve with mode: 'copy'");
      });
  });
}

anywhere("a target that looks at its data is copied for, and told which modes it shuts out", async () => {
  await using disk = await serve({ size: SIZE, read: (buffer) => void buffer.fill(1) });
  const { mode, why, others } = disk.explain();
  expect(mode).toBe("copy");
  expect(why).toBe("the best there is here: the target looks at the data (zeroCopy is not set)");
  const zeroCopy = others.find((other) => other.mode === "zero-copy")!.why;
  expect(zeroCopy).toMatch(kernelAtLeast("6.15") ? /looks at the data/ : /has no SUPPORT_ZERO_COPY; it came with Linux 6\.15/);
});

const older = requires(haveUblk() && !kernelAtLeast("6.15"), haveUblk() ? "this kernel has zero copy" : "needs a kernel with ublk");
older("mode 'zero-copy' is refused with the kernel that brought it, and nothing is left", async () => {
  const refused = await copying(new Uint8Array(SIZE), "zero-copy").catch((error) => error);
  expect(String(refused)).toMatch(/mode 'zero-copy'.*EOPNOTSUPP.*Linux 6\.15.*Leave mode out, or use 'copy'/);
});

const lent = requires(haveUblk() && kernelAtLeast("6.15"), haveUblk() ? "zero copy came with Linux 6.15" : "needs a kernel with ublk");
lent("mode 'zero-copy': a slot that somebody has taken fails its request alone, and is told", async () => {
  let queue: UblkQueue | undefined;
  const data = new Uint8Array(SIZE);
  const mine = new Uint8Array(8192);
  const told: unknown[] = [];
  const handle = (request: UblkRequest): void => {
    if (request.op === Op.READ) request.copyFrom(data.subarray(request.offset, request.offset + request.length));
    request.complete();
  };
  await using disk = await serve(
    {
      open: () => ({ size: SIZE, zeroCopy: true }),
      attach(attached: UblkQueue) {
        queue = attached;
        return { handle };
      },
    },
    { mode: "zero-copy", depth: 1 },
  );
  disk.on("requesterror", ({ error }) => told.push(error));
  const { addressOf } = await import("uring-ublk/ffi");
  await sh("udevadm settle"); // a probe's pages would be in the slot, and never leave it
  queue!.raw.register.updateBuffers(0, [{ address: addressOf(mine), length: 4096 }]);
  const [taken] = await client(disk.path, [{ do: "read", offset: 0, length: 4096 }]);
  expect(taken).toEqual({ code: "EBUSY" });
  expect(String(told[0])).toMatch(/REGISTER_IO_BUF.*EBUSY/);
  queue!.raw.register.updateBuffers(0, [{ address: 0, length: 0 }]);
  const [free] = await client(disk.path, [{ do: "read", offset: 0, length: 4096 }]);
  expect(free).toMatchObject({ bytes: 4096 });
});
