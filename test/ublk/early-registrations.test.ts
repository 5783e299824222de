// usual kernels: none
/**
 * Pages that are registered by hand, and when: before the target sees the request, or right in front of the first operation on them.
 *
 * @module
 */
import { afterEach, describe, expect, setDefaultTimeout } from "bun:test";
import { closeSync, ftruncateSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { all, Op, type Plan, type ServeOptions, serve, type UblkDevice, type UblkRequest } from "uring-ublk";
import { addressOf, sys } from "uring-ublk/ffi";
import { loop } from "uring-ublk/targets";
import type { Registration, UblkQueue } from "uring-ublk/ublk";
import { abi as io } from "uring-ublk/uring";
import { sh, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { fio } from "./support/fio.ts";
import { devices, stuckProcesses } from "./support/machine.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const MiB = 2 ** 20;
const SIZE = 4 * MiB;
/** Where no probe of a new disk looks. */
const ODD = 2 * MiB + 12288;
const EARLY: readonly Registration[] = ["linked", "optimistic"];

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** A test where pages can be lent: in the usual run, or in the full one only. */
function lending(usual: boolean) {
  if (haveUblk() && !kernelAtLeast("6.15")) return requires(false, "mode zero-copy came with Linux 6.15");
  return ublkTest(usual);
}

/** A file in memory, gone when it is closed. */
function backing(): { fd: number; bytes(): Buffer } & Disposable {
  const fd = sys.memfdCreate("backing");
  ftruncateSync(fd, SIZE);
  return { fd, bytes: () => readFileSync(`/proc/self/fd/${fd}`), [Symbol.dispose]: () => closeSync(fd) };
}

/** A disk whose handler answers each request with one operation of the request's own, and says what it met. */
function onMembers(
  fd: number,
  options: ServeOptions<never>,
  more: { before?: (request: UblkRequest) => void; met?: (op: number, offset: number, result: number) => void } = {},
): Promise<UblkDevice> {
  return serve(
    {
      open: () => ({ size: SIZE, zeroCopy: true, members: 1 }),
      attach: () => ({
        handle(request: UblkRequest): void {
          more.before?.(request);
          if (request.op === Op.READ) request.readFrom(fd, request.offset);
          else request.writeTo(fd, request.offset);
        },
        completed(request: UblkRequest, result: number): void {
          more.met?.(request.op, request.offset, result);
          if (result < 0) request.fail(result);
          else request.complete(result);
        },
      }),
    },
    { mode: "zero-copy", ...options },
  );
}

/** The next registration of this queue is carried out by a thread of the kernel: after what is queued behind it. */
function delayNext(queue: UblkQueue): void {
  const { raw } = queue;
  const { armTemplate } = raw;
  raw.armTemplate = (slot) => {
    raw.armTemplate = armTemplate;
    raw.words[slot << raw.sqeShift]! |= io.IOSQE_ASYNC << 8;
    raw.armTemplate(slot);
  };
}

for (const registration of EARLY) {
  describe(registration, () => {
    lending(registration === "linked")("a file as a disk: fio finds every byte it wrote", async () => {
      await using directory = await workDirectory();
      const path = join(directory.path, "image");
      await using disk = await serve(loop({ path, create: SIZE }), { mode: "zero-copy", registration });
      const load = { rw: "randwrite", bsrange: "512-256k", blockalign: 512, size: "3m", verify: "crc32c", do_verify: 1, iodepth: 32 };
      const { jobs } = await fio(disk.path, load);
      expect(jobs.every((job) => job.error === 0)).toBe(true);
    });

    lending(registration === "optimistic")("what is lent goes to two files side by side, and comes half from each", async () => {
      using left = backing();
      using right = backing();
      const handle = (request: UblkRequest): Plan<unknown, unknown> | void => {
        const { offset, op, length } = request;
        if (op === Op.WRITE) {
          const data = request.source();
          return all(data.writeTo({ fd: left.fd, offset }), data.writeTo({ fd: right.fd, offset }));
        }
        const into = request.sink();
        const half = length / 2;
        return all(
          into.slice(0, half).readFrom({ fd: left.fd, offset }),
          into.slice(half).readFrom({ fd: right.fd, offset: offset + half }),
        );
      };
      await using disk = await serve(
        { open: () => ({ size: SIZE, zeroCopy: true }), attach: () => ({ handle }) },
        { mode: "zero-copy", registration },
      );
      const load = { rw: "randwrite", bsrange: "4k-128k", size: "3m", verify: "crc32c", do_verify: 1, iodepth: 16 };
      const { jobs } = await fio(disk.path, load);
      expect(jobs.every((job) => job.error === 0)).toBe(true);
      await disk.stop();
      expect(Bun.hash(left.bytes())).toBe(Bun.hash(right.bytes()));
    });

    lending(false)("two Workers, and requests that use no data, or part of it", async () => {
      await using directory = await workDirectory();
      const path = join(directory.path, "image");
      await using disk = await serve(loop.url, { queues: 2, mode: "zero-copy", registration, options: { path, create: SIZE } });
      await client(disk.path, [
        { do: "write", offset: ODD, length: 65536, fill: 0x77 },
        { do: "flush" },
        { do: "zero", offset: ODD + 8192, length: 4096 },
      ]);
      await disk.stop();
      const bytes = readFileSync(path);
      expect(bytes.subarray(ODD, ODD + 8192)).toEqual(Buffer.alloc(8192, 0x77));
      expect(bytes.subarray(ODD + 8192, ODD + 12288)).toEqual(Buffer.alloc(4096));
      expect(bytes.subarray(ODD + 12288, ODD + 65536)).toEqual(Buffer.alloc(65536 - 12288, 0x77));
    });

    lending(registration === "optimistic")("a slot that somebody has taken fails its request alone, and is told", async () => {
      using file = backing();
      writeSync(file.fd, Buffer.alloc(16384, 0x11), 0, 16384, ODD);
      let queue: UblkQueue | undefined;
      const mine = new Uint8Array(8192).fill(0xee);
      const told: unknown[] = [];
      const before = (request: UblkRequest): void => {
        queue = request.queue;
      };
      await using disk = await onMembers(file.fd, { registration, depth: 1 }, { before });
      disk.on("requesterror", ({ error }) => told.push(error));
      await sh("udevadm settle"); // a probe's pages would be in the slot, and never leave it
      queue!.raw.register.updateBuffers(0, [{ address: addressOf(mine), length: 4096 }]);
      expect(await client(disk.path, [{ do: "read", offset: ODD, length: 4096 }])).toEqual([{ code: "EBUSY" }]);
      expect(String(told[0])).toMatch(/REGISTER_IO_BUF.*EBUSY/);
      queue!.raw.register.updateBuffers(0, [{ address: 0, length: 0 }]);
      expect(await client(disk.path, [{ do: "read", offset: ODD, length: 4096 }])).toMatchObject([
        { bytes: 4096, first: 0x11, last: 0x11 },
      ]);
      if (registration === "linked") expect(mine.every((byte) => byte === 0xee)).toBe(true); // what follows a failed link is cancelled
    });
  });
}

for (const serialize of [false, true]) {
  lending(!serialize)(
    `optimistic: a request whose operation came before its registration is served again, once and in order${serialize ? ", serialized" : ""}`,
    async () => {
      using file = backing();
      writeSync(file.fd, Buffer.alloc(4096, 0x33), 0, 4096, ODD);
      const results: number[] = [];
      let served = 0;
      await using disk = await onMembers(
        file.fd,
        { registration: "optimistic", depth: 4, serialize },
        {
          before(request) {
            if (request.offset === ODD && served++ === 0) delayNext(request.queue);
          },
          met: (_op, offset, result) => void (offset === ODD && results.push(result)),
        },
      );
      await sh("udevadm settle");
      const [read] = await client(disk.path, [{ do: "read", offset: ODD, length: 4096 }]);
      expect(read).toMatchObject({ bytes: 4096, first: 0x33, last: 0x33 });
      expect(results).toEqual([-14, 4096]); // EFAULT: no pages were there
      // The same tag goes on as before.
      const again = await client(disk.path, [
        { do: "write", offset: ODD, length: 4096, fill: 0x44 },
        { do: "read", offset: ODD, length: 4096 },
      ]);
      expect(again[1]).toMatchObject({ bytes: 4096, first: 0x44, last: 0x44 });
      expect(results).toEqual([-14, 4096, 4096, 4096]);
    },
  );
}

lending(false)("an EFAULT that has another reason is the request's, after one more attempt", async () => {
  using file = backing();
  let attempts = 0;
  await using disk = await serve(
    {
      open: () => ({ size: SIZE, zeroCopy: true, members: 1 }),
      attach: () => ({
        handle(request: UblkRequest): void {
          if (request.offset === ODD) attempts++;
          request.readFrom(file.fd, request.offset);
        },
        completed: (request: UblkRequest) => (request.offset === ODD ? request.fail(-14) : request.complete()),
      }),
    },
    { mode: "zero-copy", registration: "optimistic" },
  );
  await sh("udevadm settle");
  expect(await client(disk.path, [{ do: "read", offset: ODD, length: 4096 }], "read-only")).toEqual([{ code: "EIO" }]);
  expect(attempts).toBe(2);
});

const anywhere = requires(haveUblk(), "needs a kernel with ublk");

anywhere("a way to register pages is refused where none are registered by hand, and a wrong one by name", async () => {
  const target = { size: SIZE, read: (buffer: Uint8Array) => void buffer.fill(0) };
  await expect(serve(target, { registration: "linked" })).rejects.toThrow(
    /registration is 'linked', but the mode is 'copy'.*use mode: 'zero-copy', or leave registration out/,
  );
  await expect(serve(target, { registration: "fast" as never })).rejects.toThrow(/registration is .?'?fast/);
});
