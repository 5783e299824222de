// usual kernels: the newest
// file timeout: 900 s
/**
 * The kernel's own behaviour where it surprises, on a device that is served by hand: why this library does what it does. `docs/edges.md`
 * says which rule answers which of these.
 */
import { afterEach, describe, expect, setDefaultTimeout } from "bun:test";
import { closeSync, openSync, unlinkSync, writeFileSync } from "node:fs";
import { cancelFd } from "uring-ublk";
import { Arena, addressOf, high32, type SystemError, sys } from "uring-ublk/ffi";
import { abi, encodeParams, Op } from "uring-ublk/ublk";
import { abi as io } from "uring-ublk/uring";
import { ublk_params } from "../../src/ublk/structs.ts";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";
import { controlCommand } from "./support/raw-control.ts";
import { PARAMS, payloadOf, RawDevice, type RawRequest } from "./support/raw-device.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const test = ublkTest(true);
const long = ublkTest(false);
const lends = haveUblk() && !kernelAtLeast("6.16") ? requires(false, "AUTO_BUF_REG came with Linux 6.16") : long;
const [EINVAL, EBUSY, EACCES, ENODEV, ECANCELED] = [-22, -16, -13, -19, -125];
const { UBLK_U_IO_FETCH_REQ: FETCH, UBLK_U_IO_COMMIT_AND_FETCH_REQ: COMMIT } = abi;
const { UBLK_U_IO_REGISTER_IO_BUF: REGISTER, UBLK_U_IO_UNREGISTER_IO_BUF: UNREGISTER } = abi;
/** Blocks that nobody reads by himself: what looks at new disks looks at powers of two and at the end. */
const [ODD, ODDER] = [331, 523];
const BLOCK = 4096;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** The first bytes of so many blocks, read in one piece by a process on a CPU. */
const read = (path: string, block: number, blocks = 1, cpu = 0): Promise<string> =>
  sh(
    `taskset -c $4 dd if="$1" bs=$(($3 * 4096)) skip=$(($2 * 4096)) count=1 iflag=direct,skip_bytes status=none | od -An -tx1 -v -N4 | tr -d ' '`,
    path,
    block,
    blocks,
    cpu,
  );
const write = (path: string, block: number): Promise<string> =>
  sh(
    `head -c 4096 /dev/zero | tr '\\0' Z | dd of="$1" bs=4096 seek=$2 count=1 iflag=fullblock oflag=direct conv=notrunc status=none`,
    path,
    block,
  );
const isAt = ({ op, offset }: RawRequest, block: number, wanted: number = Op.READ): boolean => op === wanted && offset === block * BLOCK;
const errnoOf = (call: () => unknown): number => {
  try {
    call();
    return 0;
  } catch (error) {
    return (error as SystemError).errno;
  }
};

describe("descriptors", () => {
  long("are mapped at a fixed stride and with their exact length; in between lies the queue before", async () => {
    await using device = await RawDevice.make({ queues: 2, depth: 200 });
    const { descriptorBytes: length, fd } = device;
    expect(length).toBe(8192);
    for (const other of [4096, 12288, 98304]) expect(errnoOf(() => Arena.map(fd, 0, other, 1))).toBe(EINVAL);
    using wrong = Arena.map(fd, length, length, 1);
    const queues = new Set<number>();
    device.serve((request) => {
      if (isAt(request, ODD)) queues.add(request.queue);
      return request.length;
    });
    await device.start();
    for (const cpu of [0, 1]) await read(device.path, ODD, 1, cpu);
    expect([...queues].sort()).toEqual([0, 1]);
    const [first, second] = device.descriptors.map((arena) => Buffer.from(arena.bytes(0, length)).toString("hex"));
    expect(Buffer.from(wrong.bytes(0, length)).toString("hex")).toBe(first!);
    expect(second).not.toBe(first);
  });

  long("cannot be mapped by a process that was given the char device", async () => {
    await using device = await RawDevice.make();
    const program = new URL("./support/raw-child.ts", import.meta.url).pathname;
    const command = [process.execPath, program, String(device.descriptorBytes)];
    const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "inherit", device.fd] });
    expect((await new Response(child.stdout as ReadableStream).text()).trim()).toBe("EINVAL");
  });

  long("are not inherited by child processes", async () => {
    await using device = await RawDevice.make();
    const script = `ls -l /proc/self/fd | grep -c "ublkc$1$" || true; grep -c "ublkc$1$" /proc/self/maps || true`;
    expect(await sh(script, device.info.id)).toBe("0\n0");
  });

  long("change with a request that is done in part: the rest comes on the same tag, in the same place", async () => {
    await using device = await RawDevice.make();
    const seen: RawRequest[] = [];
    device.serve((request) => {
      if (request.op !== Op.READ || request.offset < ODD * BLOCK || request.offset >= (ODD + 4) * BLOCK) return request.length;
      seen.push(request);
      device.data(request.tag).fill(seen.length);
      return BLOCK;
    });
    await device.start();
    expect(await read(device.path, ODD, 4)).toBe("01010101");
    expect(seen.map(({ tag, offset, length }) => [tag, offset / BLOCK - ODD, length / BLOCK])).toEqual([
      [0, 0, 4],
      [0, 1, 3],
      [0, 2, 2],
      [0, 3, 1],
    ]);
  });
});

describe("START_DEV", () => {
  const again = haveUblk() && !kernelAtLeast("6.16") ? requires(false, "on Linux 6.12 START_DEV does not come back from this") : test;
  again("waits for the fetch of every tag, and takes the process that opened the char device", async () => {
    await using device = await RawDevice.make({ depth: 2 });
    const { control, info } = device;
    const first = device.io(FETCH, 0);
    await expect(control.startDevice(info.id, process.pid, { timeoutMs: 500 })).rejects.toThrow(/START_DEV.*ETIMEDOUT/);
    const second = device.io(FETCH, 1);
    await expect(control.startDevice(info.id, process.ppid)).rejects.toThrow(/START_DEV.*EINVAL/);
    device.release();
    await Promise.allSettled([first, second]);
  });

  long("may wait many times at once while other commands are answered", async () => {
    await using device = await RawDevice.make();
    const { control, info } = device;
    const enough = new AbortController();
    const waiting = Array.from({ length: 12 }, () => control.startDevice(info.id, process.pid, { signal: enough.signal }));
    const ended = Promise.allSettled(waiting);
    expect(await control.getFeatures({ timeoutMs: 20_000 })).toBe(control.features);
    expect((await control.getDeviceInfo1(info.id, { timeoutMs: 20_000 })).state).toBe("dead");
    enough.abort(new Error("enough"));
    expect((await ended).map((end) => end.status)).toEqual(waiting.map(() => "rejected"));
  });
});

describe("a commit", () => {
  test("completes with the tag's next request, or with ENODEV when the disk stops, and not before", async () => {
    await using device = await RawDevice.make();
    let served = 0;
    device.serve((request) => {
      served++;
      device.data(request.tag).fill(0x33);
      return request.length;
    });
    await device.start();
    expect(await read(device.path, ODD)).toBe("33333333");
    const before = { given: device.given, answered: device.answered };
    expect(before).toEqual({ given: served + 1, answered: served }); // the fetch and every commit, and one is out
    await Bun.sleep(500);
    expect({ given: device.given, answered: device.answered }).toEqual(before);
    expect(await read(device.path, ODDER)).toBe("33333333");
    expect(device.answered).toBeGreaterThan(before.answered);
    await device.stop();
    // The read before was answered by this commit: ENODEV says that the tag is dead, not that the request failed.
    expect(await Promise.all(device.ends)).toEqual([ENODEV]);
    expect(await device.io(FETCH, 0)).toBe(EBUSY); // and a stopped device stays stopped
  });

  long("that is wrong, of another thread, or of a tag that is not ours is refused, and the request is still there", async () => {
    await using device = await RawDevice.make();
    const results: number[] = [];
    let waits = false;
    let done = false;
    device.serve(async (request) => {
      if (!isAt(request, ODD)) return request.length;
      results.push(await device.io(COMMIT, 0, { queue: 7, result: request.length }), await device.io(COMMIT, 0, { address: 0 }));
      results.push(await fromAnotherThread(device, request.length));
      await Bun.sleep(300);
      waits = !done; // the client has no answer: none of these was one
      device.data(0).fill(0x44);
      return request.length;
    });
    await device.start();
    const reading = read(device.path, ODD).finally(() => {
      done = true;
    });
    expect(await reading).toBe("44444444");
    expect({ results, waits }).toEqual({ results: [EINVAL, EINVAL, EINVAL], waits: true });
    expect(await device.io(COMMIT, 0, { result: BLOCK })).toBe(EBUSY); // the tag is the kernel's
  });

  long("of a WRITE with 0 bytes sends the request again, for ever", async () => {
    await using device = await RawDevice.make();
    let times = 0;
    device.serve((request) => (isAt(request, ODD, Op.WRITE) && ++times < 20 ? 0 : request.length));
    await device.start();
    await write(device.path, ODD);
    expect(times).toBeGreaterThanOrEqual(20);
  });

  long("on another ring of the thread is accepted", async () => {
    await using device = await RawDevice.make();
    const other = await device.anotherRing();
    let next: Promise<number> | undefined;
    device.serve((request) => {
      if (!isAt(request, ODD)) return request.length;
      device.data(0).fill(0x55);
      next = device.io(COMMIT, 0, { result: request.length, ring: other });
      return new Promise<number>(() => {}); // this tag is served there from now on
    });
    await device.start();
    expect(await read(device.path, ODD)).toBe("55555555");
    await device.stop();
    expect(await next).toBe(ENODEV);
  });
});

/** A commit by a thread that did not fetch. */
async function fromAnotherThread(device: RawDevice, result: number): Promise<number> {
  const worker = new Worker(new URL("./support/raw-worker.ts", import.meta.url).href);
  const answer = new Promise<number>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<number>) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  worker.postMessage({ fd: device.fd, cmdOp: COMMIT, payload: payloadOf(0, 0, result, addressOf(device.data(0))) });
  const errno = await answer;
  worker.terminate();
  return errno;
}

describe("a request", () => {
  long("beyond four gigasectors arrives with its whole offset", async () => {
    await using device = await RawDevice.make();
    const far = 2 ** 41 + ODD * BLOCK; // 2^32 sectors, and some
    await device.control.setParams(device.info.id, { ...PARAMS, size: 2 ** 42 });
    let found = 0;
    device.serve((request) => {
      if (request.offset === far) found++;
      return request.length;
    });
    await device.start();
    await read(device.path, far / BLOCK);
    expect(found).toBe(1);
  });
});

describe("a command", () => {
  long("with anything behind its number is refused", async () => {
    await using device = await RawDevice.make();
    const { raw } = device.ring;
    const { promise, resolve } = Promise.withResolvers<number>();
    const slot = raw.allocate((result) => {
      raw.release(slot);
      resolve(result);
    });
    raw.uringCmd(slot, device.fd, FETCH, 0, 0, 0, addressOf(device.data(0)), high32(addressOf(device.data(0))));
    raw.words[raw.lastSqe + 3] = 1; // the upper half of what is the offset of other operations
    device.ring.kick();
    expect(await promise).toBe(EINVAL);
  });
});

describe("a fetch", () => {
  long("cannot be cancelled, and after a ring that ended its tag is lost to this device", async () => {
    await using device = await RawDevice.make({ depth: 2 });
    const other = await device.anotherRing();
    const fetched = device.io(FETCH, 0, { ring: other });
    await Bun.sleep(200);
    expect(await other.run(cancelFd({ fd: device.fd }))).toBe(0); // nothing found
    other.abandon();
    await fetched.catch(() => {});
    await Bun.sleep(500); // the ring is gone
    expect([EINVAL, EBUSY]).toContain(await device.io(FETCH, 0)); // EBUSY on Linux 6.12
  });
});

describe("a request's data by pread and pwrite", () => {
  long("lies beyond a base, goes one way only, and only until the commit", async () => {
    await using device = await RawDevice.make({ flags: abi.UBLK_F_USER_COPY, depth: 4 });
    const results: Record<string, number> = {};
    const bytes = new Uint8Array(BLOCK);
    let at = 0;
    device.serve((request) => {
      if (!isAt(request, ODD, Op.WRITE)) return request.length;
      at = abi.UBLKSRV_IO_BUF_OFFSET + request.tag * 2 ** abi.UBLK_TAG_OFF;
      results.read = sys.pread(device.fd, bytes, at);
      results.written = errnoOf(() => sys.pwrite(device.fd, bytes, at));
      results.withoutBase = errnoOf(() => sys.pread(device.fd, bytes, at - abi.UBLKSRV_IO_BUF_OFFSET));
      results.beyond = errnoOf(() => sys.pread(device.fd, bytes, at + request.length + 512));
      return request.length;
    });
    await device.start();
    await write(device.path, ODD);
    expect(results).toEqual({ read: BLOCK, written: EACCES, withoutBase: EINVAL, beyond: EINVAL });
    expect([bytes[0], bytes[BLOCK - 1]]).toEqual([0x5a, 0x5a]);
    expect(errnoOf(() => sys.pread(device.fd, bytes, at))).toBe(EINVAL); // committed
  });
});

describe("a device without the flag for it", () => {
  long("refuses what the flag allows, and serves on", async () => {
    await using device = await RawDevice.make();
    device.ring.raw.register.sparseBuffers(2);
    const refused: number[] = [];
    device.serve(async (request) => {
      if (!isAt(request, ODD)) return request.length;
      const at = abi.UBLKSRV_IO_BUF_OFFSET + request.tag * 2 ** abi.UBLK_TAG_OFF;
      refused.push(errnoOf(() => sys.pwrite(device.fd, new Uint8Array(512), at)));
      refused.push(await device.io(REGISTER, 0, { address: 1 }), await device.io(abi.UBLK_U_IO_NEED_GET_DATA, 0));
      device.data(0).fill(0x77);
      return request.length;
    });
    await device.start();
    expect(await read(device.path, ODD)).toBe("77777777");
    expect(refused).toEqual([kernelAtLeast("6.16") ? EACCES : EINVAL, EINVAL, EINVAL]); // USER_COPY, SUPPORT_ZERO_COPY, NEED_GET_DATA
  });
});

describe("pages that the kernel registers by itself", () => {
  const FALLBACK = abi.UBLK_AUTO_BUF_REG_FALLBACK << 16;

  lends("take their slot from the SQE's address; the payload's must be 0", async () => {
    await using device = await RawDevice.make({ flags: abi.UBLK_F_AUTO_BUF_REG });
    expect(await device.io(FETCH, 0, { address: 1 })).toBe(EINVAL);
    expect(await device.io(FETCH, 0, { registration: 2 ** 18 })).toBe(EINVAL); // a flag that there is not
  });

  lends("fail the client's request silently where they cannot be, unless a fallback is asked for", async () => {
    await using device = await RawDevice.make({ flags: abi.UBLK_F_AUTO_BUF_REG }); // its ring has no table
    let seen = 0;
    device.serve(({ length }) => {
      seen++;
      return length;
    });
    await device.start();
    await expect(read(device.path, ODD)).rejects.toThrow(/Input\/output error/);
    expect(seen).toBe(0);
  });

  lends("with a fallback the request comes marked, and needs SUPPORT_ZERO_COPY to be registered by hand", async () => {
    await using device = await RawDevice.make({ flags: abi.UBLK_F_AUTO_BUF_REG });
    device.ring.raw.register.sparseBuffers(2);
    let marked = 0;
    let byHand = 0;
    device.serve(
      async (request) => {
        if (!isAt(request, ODD)) return request.length;
        marked = request.flags & abi.UBLK_IO_F_NEED_REG_BUF;
        byHand = await device.io(REGISTER, 0, { address: 1 });
        return request.length;
      },
      { registration: 7 | FALLBACK }, // beyond the table
    );
    await device.start();
    await read(device.path, ODD);
    expect({ marked, byHand }).toEqual({ marked: abi.UBLK_IO_F_NEED_REG_BUF, byHand: EINVAL });
  });
});

describe("pages that are registered by hand", () => {
  const flags = abi.UBLK_F_SUPPORT_ZERO_COPY | abi.UBLK_F_USER_COPY;

  lends("hold the client's request beyond its commit", async () => {
    await using device = await RawDevice.make({ flags });
    device.ring.raw.register.sparseBuffers(2);
    device.serve(async (request) => {
      if (isAt(request, ODD)) expect(await device.io(REGISTER, 0, { address: 1 })).toBe(0);
      return request.length;
    });
    await device.start();
    let done = false;
    const reading = read(device.path, ODD).finally(() => {
      done = true;
    });
    await Bun.sleep(2_000);
    expect(done).toBe(false);
    expect(await device.io(UNREGISTER, 0, { address: 1 })).toBe(0);
    await reading;
  });

  lends("are dropped by an update of the table, without a word", async () => {
    await using device = await RawDevice.make({ flags });
    device.ring.raw.register.sparseBuffers(2);
    const results: number[] = [];
    device.serve(async (request) => {
      if (!isAt(request, ODD)) return request.length;
      results.push(await device.io(REGISTER, 0, { address: 1 }));
      device.ring.raw.register.updateBuffers(1, [{ address: 0, length: 0 }]);
      results.push(await device.io(UNREGISTER, 0, { address: 1 }));
      return request.length;
    });
    await device.start();
    await read(device.path, ODD);
    expect(results).toEqual([0, EINVAL]);
  });

  for (const [what, flag, last] of [
    ["stay behind a short read and a soft link", io.IOSQE_IO_LINK, ECANCELED],
    ["are given back behind a short read and a hard link", io.IOSQE_IO_HARDLINK, 0],
  ] as const) {
    lends(what, async () => {
      const path = `/dev/shm/edges-${process.pid}`;
      writeFileSync(path, Buffer.alloc(100, 0x66));
      const file = openSync(path, "r");
      unlinkSync(path);
      await using device = await RawDevice.make({ flags });
      device.ring.raw.register.sparseBuffers(2);
      let results: number[] = [];
      let left = -1;
      device.serve(async (request) => {
        if (!isAt(request, ODD)) return request.length;
        results = await linked(device, file, flag);
        left = await device.io(UNREGISTER, 0, { address: 1 });
        return request.length;
      });
      await device.start();
      expect(await read(device.path, ODD)).toBe("66666666");
      expect({ results, left }).toEqual({ results: [0, 100, last], left: last === 0 ? EINVAL : 0 });
      closeSync(file);
    });
  }
});

/** Registers a request's pages, reads into them and gives them back, in one chain of links. */
function linked(device: RawDevice, file: number, flag: number): Promise<number[]> {
  const { ring } = device;
  const { raw } = ring;
  const results: number[] = [];
  const { promise, resolve } = Promise.withResolvers<number[]>();
  const slot = (): number => {
    const own = raw.allocate((result) => {
      results.push(result);
      raw.release(own);
      if (results.length === 3) resolve(results);
    });
    return own;
  };
  raw.uringCmd(slot(), device.fd, REGISTER, 0, 0, 0, 1, 0);
  raw.setFlags(flag);
  raw.readFixed(slot(), file, 0, BLOCK, 0, 1, 0);
  raw.setFlags(flag);
  raw.uringCmd(slot(), device.fd, UNREGISTER, 0, 0, 0, 1, 0);
  ring.kick();
  return promise;
}

describe("parameters", () => {
  const segments = haveUblk() && !kernelAtLeast("6.16") ? requires(false, "Linux 6.12 knows no limits of segments") : long;
  segments("of segments: all ones is no boundary mask", async () => {
    await using device = await RawDevice.make();
    const view = encodeParams(PARAMS);
    const types = ublk_params.get(view, "types");
    ublk_params.set(view, "types", types | abi.UBLK_PARAM_TYPE_SEGMENT);
    ublk_params.set(view, "seg.max_segments", 32);
    ublk_params.set(view, "seg.max_segment_size", 2 ** 20);
    const { id } = device.info;
    for (const [mask, result] of [
      [2n ** 64n - 1n, EINVAL],
      [2n ** 32n - 1n, 0],
    ] as const) {
      ublk_params.set(view, "seg.seg_boundary_mask", mask);
      expect(await controlCommand(abi.UBLK_U_CMD_SET_PARAMS, id, view)).toBe(result);
    }
  });

  test("that are refused wipe those that were set", async () => {
    await using device = await RawDevice.make();
    const { control, info } = device;
    expect((await control.getParams(info.id)).size).toBe(PARAMS.size);
    expect(await controlCommand(abi.UBLK_U_CMD_SET_PARAMS, info.id, encodeParams({ ...PARAMS, physicalBlockSize: 256 }))).toBe(EINVAL);
    device.serve();
    await expect(control.startDevice(info.id)).rejects.toThrow(/START_DEV.*EINVAL/);
    await control.setParams(info.id, PARAMS);
    await device.start();
    await read(device.path, ODD);
  });

  long("that were asked for can be set again: what only the kernel says is left out", async () => {
    await using device = await RawDevice.make();
    const { control, info } = device;
    const { disk, ...params } = await control.getParams(info.id);
    expect(params).toEqual({ ...PARAMS, discardGranularity: 0 }); // without discards there is none
    await control.setParams(info.id, { ...params, disk } as never); // disk: the bit that would be refused
    expect((await control.getParams(info.id)).size).toBe(PARAMS.size);
  });
});

describe("DEL_DEV", () => {
  long("waits for the char device, and for a ring that only a mapping keeps", async () => {
    await using device = await RawDevice.make();
    const { control, info, ring } = device;
    const fetched = device.io(FETCH, 0);
    await Bun.sleep(100);
    const mapping = Arena.map(ring.raw.fd, 0, 4096);
    device.release(); // the ring is closed, and unmapped by its owner
    await fetched.catch(() => {});
    await expect(control.deleteDevice(info.id, { timeoutMs: 1_000 })).rejects.toThrow(/DEL_DEV.*(ETIMEDOUT|EINTR)/);
    mapping.dispose();
    await until(() => devices().length === 0, "deleted", 60_000);
  });
});
