// usual kernels: the newest
// file timeout: 900 s
/**
 * A request's data, lent to operations and plans of its queue's ring: in every mode the same target, every byte looked at from outside; and
 * what must never happen to data that is lent.
 */
import { afterEach, describe, expect, setDefaultTimeout } from "bun:test";
import { closeSync, ftruncateSync, readFileSync, writeSync } from "node:fs";
import {
  all,
  connect,
  type DataMode,
  type DeferredRequest,
  group,
  MODES,
  type ModeInfo,
  nop,
  Op,
  type Part,
  type RequestSource,
  Ring,
  serve,
  socket,
  type UblkDevice,
  type UblkRequest,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import type { RequestErrorEvent, UblkQueue } from "uring-ublk/ublk";
import { abi as io } from "uring-ublk/uring";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, isFullRun, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { fio } from "./support/fio.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";

setDefaultTimeout(120_000); // an emulated machine, and neighbours
const MiB = 2 ** 20;
const SIZE = 4 * MiB;
/** Where no probe of a new disk looks. */
const ODD = 2 * MiB + 12288;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** A test in a mode: in the usual run where the mode is one of those. */
function testIn({ name, since }: ModeInfo, ...usual: DataMode[]) {
  if (haveUblk() && !kernelAtLeast(since)) return requires(false, `mode ${name} came with Linux ${since}`);
  return ublkTest(usual.includes(name));
}

/** Files in memory, gone when they are closed. */
function legs(count: number, size = SIZE): { fds: number[]; bytes(i: number): Buffer } & Disposable {
  const fds = Array.from({ length: count }, (_, i) => sys.memfdCreate(`leg-${i}`));
  for (const fd of fds) ftruncateSync(fd, size);
  return {
    fds,
    bytes: (i) => readFileSync(`/proc/self/fd/${fds[i]}`),
    [Symbol.dispose]: () => fds.forEach((fd) => void closeSync(fd)),
  };
}

/** A pipe: what reads from it waits until somebody writes. */
function pipe(): { from: number; to: number } & Disposable {
  const [from, to] = sys.pipe();
  return {
    from,
    to,
    [Symbol.dispose]() {
      closeSync(from);
      closeSync(to);
    },
  };
}

async function verified(path: string, iodepth = 16): Promise<boolean> {
  const load = { rw: "randwrite", bsrange: "512-128k", blockalign: 512, size: "1m", verify: "crc32c", do_verify: 1 };
  const { jobs } = await fio(path, { ...load, iodepth, ...(isFullRun() ? { loops: 8 } : {}) });
  return jobs.every((job) => job.error === 0);
}

type Answer = Part<unknown, unknown> | Promise<number | void> | void;

/** A disk of plans: FLUSH is done at once, the rest is the test's. */
function planned(mode: DataMode, move: (request: UblkRequest) => Answer, depth = 16): Promise<UblkDevice> {
  const handle = (request: UblkRequest): Answer => (request.op === Op.FLUSH ? request.complete() : move(request));
  return serve({ size: SIZE, zeroCopy: true, handle, ops: { flush: true } }, { depth, maxIo: "128 KiB", mode });
}

/** What a call throws, or "none". */
async function refusal(call: () => unknown): Promise<string> {
  try {
    await call();
    return "none";
  } catch (error) {
    return String(error);
  }
}

for (const info of MODES) {
  const { name: mode } = info;

  describe(mode, () => {
    testIn(info, "auto-buf-reg")("a WRITE goes to two files side by side, a READ comes half from each", async () => {
      using files = legs(2);
      const [left, right] = files.fds as [number, number];
      await using disk = await planned(mode, (request) => {
        const { offset, length } = request;
        if (request.op === Op.WRITE) {
          const data = request.source();
          return all(data.writeTo({ fd: left, offset }), data.writeTo({ fd: right, offset }));
        }
        const into = request.sink();
        if (length < 1024) return into.readFrom({ fd: left, offset });
        const half = Math.floor(length / 2);
        return all(into.slice(0, half).readFrom({ fd: left, offset }), into.slice(half).readFrom({ fd: right, offset: offset + half }));
      });
      expect(await verified(disk.path)).toBe(true);
      await client(disk.path, [{ do: "write", offset: ODD, length: 131072, fill: 0x5a }]);
      await disk.stop();
      expect(files.bytes(0).subarray(ODD, ODD + 131072)).toEqual(Buffer.alloc(131072, 0x5a));
      expect(Bun.hash(files.bytes(0))).toBe(Bun.hash(files.bytes(1)));
    });

    testIn(info)("a leader and members that share the data: a record first, then every piece to a file of its own", async () => {
      using files = legs(4);
      let records = 0;
      await using disk = await planned(mode, (request) => {
        const { offset, length } = request;
        if (request.op === Op.READ) return request.sink().readFrom({ fd: files.fds[0]!, offset });
        const data = request.source();
        const piece = length / 4; // of a multiple of 2048 bytes
        const member = (fd: number, i: number) => data.slice(i * piece, piece).writeTo({ fd, offset: offset + i * piece });
        records++;
        return group(nop(), files.fds.map(member) as [ReturnType<typeof member>]);
      });
      await sh("udevadm settle");
      await client(disk.path, [
        { do: "write", offset: ODD, length: 65536, fill: 0x11 },
        { do: "write", offset: ODD + 65536, length: 32768, fill: 0x22 },
      ]);
      expect(records).toBe(2);
      for (const i of [0, 1, 2, 3]) {
        const expected = Buffer.alloc(SIZE);
        expected.fill(0x11, ODD + i * 16384, ODD + (i + 1) * 16384);
        expected.fill(0x22, ODD + 65536 + i * 8192, ODD + 65536 + (i + 1) * 8192);
        expect(files.bytes(i).equals(expected)).toBe(true);
      }
    });

    testIn(info)("what is lent is in use until its last CQE, and lent no more after the request's end", async () => {
      using files = legs(1);
      using pair = pipe();
      const told: string[] = [];
      let kept: RequestSource | undefined;
      let queue: UblkQueue | undefined;
      const slow = async (request: UblkRequest): Promise<void> => {
        const done = request.defer();
        const { ring } = done.queue;
        const running = ring.run(done.sink().slice(0, 4096).readFrom({ fd: pair.from, offset: 0 }).allowShort());
        told.push(await refusal(() => done.complete()));
        await Bun.sleep(5);
        told.push(await refusal(() => done.fail(-5)));
        writeSync(pair.to, Buffer.alloc(4096, 0x77));
        told.push(`${await running} bytes`);
        done.copyFrom(new Uint8Array(4096).fill(0x77), 4096);
        done.complete();
      };
      await using disk = await planned(
        mode,
        (request) => {
          const { offset } = request;
          queue = request.queue;
          if (request.op === Op.WRITE) {
            kept = request.source();
            return kept.writeTo({ fd: files.fds[0]!, offset });
          }
          if (offset === ODD) return void slow(request).catch((error: unknown) => told.push(String(error)));
          return request.sink().readFrom({ fd: files.fds[0]!, offset });
        },
        1,
      );
      await sh("udevadm settle");
      const [, lent] = await client(disk.path, [
        { do: "write", offset: 0, length: 4096, fill: 0x42 },
        { do: "read", offset: ODD, length: 8192 },
      ]);
      expect(lent).toMatchObject({ bytes: 8192, first: 0x77, last: 0x77 });
      expect(told).toEqual([
        expect.stringMatching(/TypeError: the request has operations in flight on its data/),
        expect.stringMatching(/TypeError: the request has operations in flight on its data/),
        "4096 bytes",
      ]);
      const late = await refusal(() => queue!.ring.run(kept!.writeTo({ fd: files.fds[0]!, offset: 8192 })));
      expect(late).toMatch(/TypeError: the request is finished already: its data is not lent any more/);
      expect(files.bytes(0)[8192]).toBe(0);
    });

    testIn(info, "auto-buf-reg")("the wrong way, what lies outside, another ring, and an end that nobody provides for", async () => {
      using files = legs(1);
      const [fd] = files.fds as [number];
      await using other = await Ring.open({ entries: 8 });
      const told: string[] = [];
      const errors: string[] = [];
      await using disk = await planned(mode, (request) => {
        const { offset } = request;
        if (request.op === Op.READ) return request.sink().readFrom({ fd, offset });
        const data = request.source();
        if (offset === ODD) return void request.queue.ring.run(data.writeTo({ fd, offset })); // and then?
        if (offset !== ODD + 4096) return data.writeTo({ fd, offset });
        return (async () => {
          told.push(await refusal(() => request.sink()));
          told.push(await refusal(() => data.slice(4000, 97)));
          told.push(await refusal(() => data.slice(-1)));
          told.push(await refusal(() => data.writeTo({ fd, ofset: 0 } as never)));
          told.push(await refusal(() => other.run(data.writeTo({ fd, offset }))));
        })();
      });
      disk.on("requesterror", ({ error }: RequestErrorEvent) => errors.push(String(error)));
      await sh("udevadm settle");
      const results = await client(disk.path, [
        { do: "write", offset: ODD + 4096, length: 4096, fill: 1 },
        { do: "write", offset: ODD, length: 4096, fill: 1 },
        { do: "write", offset: ODD + 8192, length: 4096, fill: 2 },
      ]);
      expect(results).toEqual([{ bytes: 4096 }, { code: "EIO" }, { bytes: 4096 }]);
      expect(told).toEqual([
        expect.stringMatching(/TypeError: .*sink are for READ requests/),
        expect.stringMatching(/RangeError: slice: length is 97; .*there are 96 bytes from 4000 on/),
        expect.stringMatching(/RangeError: slice: at is -1/),
        expect.stringMatching(/TypeError: writeTo: there is no option 'ofset'; did you mean 'offset'/),
        expect.stringMatching(/TypeError: .*lent to operations of its own queue's ring/),
      ]);
      expect(errors).toEqual([expect.stringMatching(/nothing ends the request: defer it, or return the plan/)]);
    });

    testIn(info, "copy")("a member that fails, or is short, fails its own request and nothing else", async () => {
      using files = legs(2);
      const [whole, short] = files.fds as [number, number];
      ftruncateSync(short, ODD + 2048); // ends in the middle of a request
      const errors: string[] = [];
      await using disk = await planned(mode, (request) => {
        const { offset } = request;
        if (request.op === Op.READ) {
          const into = request.sink();
          if (offset === ODD + 8192) return into.readFrom({ fd: short, offset: ODD }).allowShort(); // its rest comes as a request again
          return into.readFrom({ fd: offset === ODD ? short : whole, offset });
        }
        const data = request.source();
        const broken = offset === ODD + 4096 ? 0 : data.length;
        return all(data.writeTo({ fd: whole, offset }), data.writeTo({ fd: broken === 0 ? -1 : short, offset }));
      });
      disk.on("requesterror", ({ error }: RequestErrorEvent) => errors.push(String(error)));
      await sh("udevadm settle");
      const results = await client(disk.path, [
        { do: "read", offset: ODD, length: 4096 },
        { do: "write", offset: ODD + 4096, length: 4096, fill: 3 },
        { do: "read", offset: ODD + 4096, length: 4096 },
        { do: "write", offset: 512, length: 4096, fill: 4 },
        { do: "read", offset: 512, length: 4096 },
        { do: "read", offset: ODD + 8192, length: 4096 },
      ]);
      expect(results).toMatchObject([
        { code: "EIO" },
        { code: "EIO" },
        { bytes: 4096, first: 3, last: 3 },
        { bytes: 4096 },
        { bytes: 4096, first: 4, last: 4 },
        { bytes: 4096, first: 0, last: 0 },
      ]);
      expect(errors).toEqual([expect.stringMatching(/ShortTransferError.*2048.*4096/), expect.stringMatching(/UringError.*EBADF/)]);
    });

    testIn(info)("a stop does not wait for ever for what is lent, whatever the handler makes of it", async () => {
      using pair = pipe();
      const read = (done: DeferredRequest) => done.queue.ring.run(done.sink().readFrom({ fd: pair.from, offset: 0 }));
      const handlers: Readonly<Record<string, (request: UblkRequest) => Answer>> = {
        "a plan": (request) => all(request.sink().readFrom({ fd: pair.from, offset: 0 }), nop()),
        nothing: (request) => void read(request.defer()).catch(() => {}),
        "a failure": (request) => {
          const done = request.defer();
          read(done).then(
            () => done.complete(),
            (error: unknown) => done.fail(error),
          );
        },
        "another attempt": async (request) => {
          const done = request.defer();
          for (;;) {
            try {
              await read(done);
            } catch (error) {
              if (error instanceof TypeError) throw error;
            }
          }
        },
      };
      for (const [name, handler] of Object.entries(handlers)) {
        let open = 0;
        const disk = await planned(mode, (request) => {
          if (request.op === Op.WRITE || request.offset !== ODD) {
            if (request.op === Op.READ) request.copyFrom(new Uint8Array(request.length));
            return request.complete();
          }
          open++;
          return handler(request);
        });
        disk.on("requesterror", () => {});
        await sh("udevadm settle");
        const reading = client(disk.path, [{ do: "read", offset: ODD, length: 4096 }]);
        await until(() => open === 1, "a request is open");
        await disk.stop({ grace: 200 });
        expect({ name, result: await reading }).toEqual({ name, result: [{ code: "EIO" }] });
      }
    });

    testIn(info, "copy")(
      "where one of several fails that a handler waits for, the others are cancelled, and the request fails",
      async () => {
        using pair = pipe();
        const errors: string[] = [];
        await using disk = await planned(mode, async (request) => {
          if (request.op === Op.WRITE) return void request.complete();
          if (request.offset !== ODD) {
            request.copyFrom(new Uint8Array(request.length));
            return void request.complete();
          }
          const into = request.sink();
          const { ring } = request.queue;
          const parts = [into.slice(0, 512).readFrom({ fd: pair.from, offset: 0 }), into.slice(512).readFrom({ fd: -1, offset: 0 })];
          await Promise.all(parts.map((part) => ring.run(part)));
        });
        disk.on("requesterror", ({ error }: RequestErrorEvent) => errors.push(String(error)));
        await sh("udevadm settle");
        expect(await client(disk.path, [{ do: "read", offset: ODD, length: 4096 }])).toEqual([{ code: "EIO" }]);
        expect(errors).toEqual([expect.stringMatching(/UringError.*EBADF/)]);
      },
    );

    testIn(info, "auto-buf-reg")("a zero-copy send ends its request when the kernel has let go of the data", async () => {
      const received: Buffer[] = [];
      const server = Bun.listen<undefined>({
        hostname: "127.0.0.1",
        port: 0,
        socket: {
          open: (peer) => {
            peer.pause(); // what is sent waits in queues, pages and all
            setTimeout(() => peer.resume(), 500);
          },
          data: (_peer, bytes) => void received.push(Buffer.from(bytes)),
        },
      });
      await using other = await Ring.open({ entries: 8 });
      const fd = await other.run(socket({ domain: 2, type: 1 }));
      await other.run(connect({ fd, address: { family: "ipv4", address: "127.0.0.1", port: server.port } }));
      await using disk = await planned(mode, (request) => {
        if (request.op !== Op.READ) return request.source().sendTo({ fd });
        request.copyFrom(new Uint8Array(request.length));
        return request.complete();
      });
      await sh("udevadm settle");
      for (const fill of [1, 2]) {
        expect(await client(disk.path, [{ do: "write", offset: ODD, length: MiB, fill }])).toEqual([{ bytes: MiB }]);
        await until(() => received.reduce((sum, { length }) => sum + length, 0) === fill * MiB, "all received");
      }
      expect(Bun.hash(Buffer.concat(received))).toBe(Bun.hash(Buffer.concat([Buffer.alloc(MiB, 1), Buffer.alloc(MiB, 2)])));
      await disk.stop();
      closeSync(fd);
      server.stop(true);
    });
  });
}

const lends = requires(haveUblk() && kernelAtLeast("7.0"), haveUblk() ? "receives into lent pages came after Linux 6.18" : "needs ublk");

describe("POLL_FIRST looks its buffer up when the poll has fired", () => {
  /** Two READs, one after the other, on the one tag of a disk; a message arrives during the second. Answers what the second got. */
  async function twoReads(first: (request: UblkRequest, socket: number) => Promise<void>): Promise<number> {
    const [ours, theirs] = sys.socketpair(1, 1);
    let second: (() => void) | undefined;
    await using disk = await planned(
      "auto-buf-reg",
      (request) => {
        if (request.op !== Op.READ || (request.offset !== ODD && request.offset !== ODD + 65536)) {
          if (request.op === Op.READ) request.copyFrom(new Uint8Array(request.length));
          return request.complete();
        }
        if (request.offset === ODD) return first(request, ours);
        request.copyFrom(new Uint8Array(request.length).fill(0x22));
        const done = request.defer();
        second = () => done.complete();
      },
      1,
    );
    await sh("udevadm settle");
    await client(disk.path, [{ do: "read", offset: ODD, length: 4096 }]);
    const reading = client(disk.path, [{ do: "read", offset: ODD + 65536, length: 4096 }]);
    await until(() => second !== undefined, "the second request has arrived");
    writeSync(theirs, Buffer.alloc(4096, 0x99)); // meant for the first
    await Bun.sleep(200);
    second!();
    const [got] = await reading;
    closeSync(ours);
    closeSync(theirs);
    return got!.first!;
  }

  lends("on the raw layer one client's data ends in another's request", async () => {
    const got = await twoReads(async (request, socket) => {
      const { raw } = request.queue;
      const { buffer } = request;
      const slot = raw.allocate(() => raw.release(slot));
      if (buffer.kind !== "sink") throw new TypeError(buffer.kind);
      raw.recv(slot, socket, 0, 4096, 0, buffer.fixed.index);
      raw.setIoprio(io.IORING_RECVSEND_POLL_FIRST | io.IORING_RECVSEND_FIXED_BUF);
      // And so the request is finished while its buffer is still to be looked up.
    });
    expect(got).toBe(0x99);
  });

  lends("what is lent cannot be: the request does not end before the receive does", async () => {
    let refused = "";
    const got = await twoReads(async (request, socket) => {
      const done = request.defer();
      const receiving = request.queue.ring.run(done.sink().recvFrom({ fd: socket, pollFirst: true }), { signal: AbortSignal.timeout(300) });
      refused = await refusal(() => done.complete());
      await receiving.catch(() => {}); // nothing comes: it is given up, and waited for
      done.complete();
    });
    expect(refused).toMatch(/TypeError: the request has operations in flight on its data/);
    expect(got).toBe(0x22);
  });
});
