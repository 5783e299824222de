import { describe, expect, test } from "bun:test";
import {
  closeDirect,
  FixedBuffer,
  FixedFile,
  nop,
  openatDirect,
  POLLIN,
  poll,
  Ring,
  read,
  readFixed,
  timeout,
  type UringError,
} from "uring-ublk";
import { Arena, sys } from "uring-ublk/ffi";
import { abi, KEEP_FILE, NO_FILE, RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { memoryFile, pattern, pipe } from "./support/descriptors.ts";

const code = (run: () => unknown): string => {
  try {
    run();
    return "none";
  } catch (error) {
    return (error as UringError).code ?? (error as Error).name;
  }
};

async function firstByte(ring: Ring, slot: number): Promise<number | string> {
  const buffer = new Uint8Array(1);
  const settled = await ring.settle(read({ fd: new FixedFile(slot), buffer, offset: 0 }));
  return settled.status === "fulfilled" ? buffer[0]! : (settled.reason as UringError).code;
}

describe("a table of files", () => {
  test("is made of descriptors, with empty slots", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(10, 1));
    ring.raw.register.files([file.first, NO_FILE, file.second]);
    expect([await firstByte(ring, 0), await firstByte(ring, 1), await firstByte(ring, 2)]).toEqual([
      pattern(10, 1)[0]!,
      "EBADF",
      pattern(10, 1)[0]!,
    ]);
  });

  test("changes the slots that are given, and leaves those to be kept", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using one = memoryFile(pattern(10, 1));
    using two = memoryFile(pattern(10, 2));
    ring.raw.register.files([one.first, one.first, one.first]);
    expect(ring.raw.register.updateFiles(0, [two.first, KEEP_FILE, NO_FILE])).toBe(3);
    expect([await firstByte(ring, 0), await firstByte(ring, 1), await firstByte(ring, 2)]).toEqual([
      pattern(10, 2)[0]!,
      pattern(10, 1)[0]!,
      "EBADF",
    ]);
  });

  test("tells how far an update came before a bad descriptor", () => {
    using raw = new RawRing({ entries: 8 });
    using file = memoryFile();
    raw.register.sparseFiles(3);
    expect(raw.register.updateFiles(0, [file.first, 1_000_000, file.first])).toBe(1);
    expect(code(() => raw.register.updateFiles(0, [1_000_000]))).toBe("EBADF");
    expect(code(() => raw.register.updateFiles(3, [file.first]))).toBe("EINVAL");
  });

  test("gives operations that choose their slot a range to choose from", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 8 });
    ring.raw.register.fileAllocRange(5, 2);
    const open = openatDirect({ path: "/proc/version", slot: "any" });
    const slots = [(await ring.run(open)).slot, (await ring.run(open)).slot];
    expect(slots.sort()).toEqual([5, 6]);
    expect(await ring.settle(open)).toMatchObject({ reason: { code: "ENFILE" } });
    await ring.run(closeDirect({ slot: new FixedFile(5) }));
    expect(code(() => ring.raw.register.fileAllocRange(7, 2))).toBe("EINVAL");
    expect(code(() => ring.raw.register.fileAllocRange(-1, 2))).toBe("RangeError");
  });
});

describe("a table of buffers", () => {
  test("is made of memory in one call, and may be cloned by another ring", async () => {
    await using ring = await Ring.open({ entries: 8 });
    await using other = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(100));
    const arena = Arena.allocate(8192);
    ring.raw.register.buffers([
      { address: arena.address, length: 4096 },
      { address: arena.address + 4096, length: 4096 },
    ]);
    other.raw.register.cloneBuffers({ source: ring.raw.register });
    const buffer = new FixedBuffer(1, arena.address + 4096, 100, "memory");
    expect(await other.run(readFixed({ fd: file.first, buffer, offset: 0 }))).toBe(100);
    expect(arena.bytes(4096, 100)).toEqual(pattern(100));
    // What the one lets go of the other still has.
    ring.raw.register.unregisterBuffers();
    expect(await other.run(readFixed({ fd: file.first, buffer, offset: 0 }))).toBe(100);
    expect(code(() => other.raw.register.cloneBuffers({ source: ring.raw.register }))).toMatch(/EBUSY|ENXIO/);
    await other.close();
    arena.dispose();
  });

  const ranges = requires(kernelAtLeast("6.13"), "ranges of clones need Linux 6.13");
  ranges("is cloned in part, into a place that holds others", async () => {
    await using ring = await Ring.open({ entries: 8 });
    await using other = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(100));
    using arena = Arena.allocate(3 * 4096);
    const ranges = [0, 1, 2].map((page) => ({ address: arena.address + page * 4096, length: 4096 }));
    ring.raw.register.buffers(ranges);
    other.raw.register.buffers([ranges[0]!, ranges[0]!]);
    const request = { source: ring.raw.register, sourceOffset: 2, offset: 1, count: 1 };
    expect(code(() => other.raw.register.cloneBuffers(request))).toBe("EBUSY");
    other.raw.register.cloneBuffers({ ...request, replace: true });
    const at = (index: number, page: number) => new FixedBuffer(index, arena.address + page * 4096, 100, "memory");
    expect(await other.run(readFixed({ fd: file.first, buffer: at(0, 0), offset: 0 }))).toBe(100);
    expect(await other.run(readFixed({ fd: file.first, buffer: at(1, 2), offset: 0 }))).toBe(100);
    expect(code(() => other.raw.register.cloneBuffers({ ...request, count: 2, replace: true }))).toBe("EOVERFLOW");
    expect(() => other.raw.register.cloneBuffers({ ...request, count: 0 })).toThrow(RangeError);
    await ring.close();
    await other.close();
  });

  test("is refused when the memory is not there", () => {
    using raw = new RawRing({ entries: 8 });
    expect(code(() => raw.register.buffers([{ address: 4096, length: 4096 }]))).toBe("EFAULT");
    expect(code(() => raw.register.buffers([]))).toBe("RangeError");
  });
});

describe("a tag", () => {
  test("tells when a file is let go of: at once when nobody uses it", () => {
    using raw = new RawRing({ entries: 8 });
    using file = memoryFile();
    let freed = 0;
    const tag = raw.tag(() => freed++);
    raw.register.files([file.first, file.first], [tag, undefined]);
    expect(tag.resources).toBe(1);
    expect(raw.inFlight).toBe(0);
    expect(() => tag.close()).toThrow(/1 registered/);
    raw.register.updateFiles(0, [NO_FILE, NO_FILE]);
    raw.reap();
    expect([freed, tag.resources, raw.inFlight]).toEqual([1, 0, 0]);
    expect(raw.failure).toBeUndefined();
    tag.close();
    tag.close();
  });

  // Before 6.13 the table as a whole is let go of only when nobody uses it, and the call waits for that: here for ever.
  const WAYS: readonly [name: string, since: string, letGo: (raw: RawRing) => unknown][] = [
    ["by itself", "5.13", (raw) => raw.register.updateBuffers(0, [{ address: 0, length: 0 }])],
    ["with its table", "6.13", (raw) => raw.register.unregisterBuffers()],
  ];
  for (const [way, since, letGo] of WAYS) {
    requires(kernelAtLeast(since), `needs Linux ${since}`)(
      `tells when a buffer is let go of ${way}: after the operation that uses it`,
      () => {
        using raw = new RawRing({ entries: 8 });
        using ends = pipe();
        using arena = Arena.allocate(4096);
        const order: string[] = [];
        const tag = raw.tag(() => order.push("freed"));
        raw.register.buffers([{ address: arena.address, length: 4096 }], [tag]);
        const slot = raw.allocate((result) => order.push(`read ${result}`));
        raw.readFixed(slot, ends.first, arena.address, 10, -1, 0, 0);
        raw.enter(0);
        letGo(raw);
        raw.reap();
        expect(order).toEqual([]);
        sys.write(ends.second, new Uint8Array(3));
        while (order.length < 2) {
          raw.enter(1);
          raw.reap();
        }
        expect(order).toEqual(["read 3", "freed"]);
        expect(raw.failure).toBeUndefined();
        tag.close();
        raw.close();
      },
    );
  }

  test("may be on many resources, and goes from one to the next", () => {
    using raw = new RawRing({ entries: 8 });
    using file = memoryFile();
    const freed: string[] = [];
    const all = raw.tag(() => freed.push("all"));
    const next = raw.tag(() => freed.push("next"));
    raw.register.sparseFiles(4);
    expect(raw.register.updateFiles(0, [file.first, file.first, file.first], [all, all, all])).toBe(3);
    raw.register.updateFiles(1, [file.second], [next]);
    raw.reap();
    expect(freed).toEqual(["all"]);
    expect([all.resources, next.resources]).toEqual([2, 1]);
    raw.register.unregisterFiles();
    raw.reap();
    // Linux 6.12 says nothing when the table as a whole goes.
    const told = kernelAtLeast("6.13");
    expect(freed.sort()).toEqual(told ? ["all", "all", "all", "next"] : ["all"]);
    expect([all.resources, next.resources, raw.inFlight]).toEqual(told ? [0, 0, 0] : [2, 1, 0]);
  });

  test("is not taken by what the kernel refused", () => {
    using raw = new RawRing({ entries: 8 });
    using file = memoryFile();
    const tag = raw.tag(() => {});
    expect(() => raw.register.files([1_000_000], [tag])).toThrow(/EBADF/);
    expect(() => raw.register.files([file.first], [tag, tag])).toThrow(RangeError);
    raw.register.sparseFiles(2);
    expect(raw.register.updateFiles(0, [file.first, 1_000_000], [tag, tag])).toBe(1);
    expect(tag.resources).toBe(1);
    raw.reap();
    expect(raw.failure).toBeUndefined();
  });

  test("is heard on the described layer, whose ring it does not keep open", async () => {
    const ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
    using arena = Arena.allocate(4096);
    let tell = (): void => {};
    const freed = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const tag = ring.raw.tag(tell);
    ring.raw.register.updateBuffers(0, [{ address: arena.address, length: 4096 }], [tag]);
    expect(await ring.run(nop())).toBe(0);
    ring.raw.register.updateBuffers(0, [{ address: 0, length: 0 }]);
    ring.kick();
    await freed;
    const kept = ring.raw.tag(() => {});
    ring.raw.register.updateBuffers(0, [{ address: arena.address, length: 4096 }], [kept]);
    await ring.close();
    expect(ring.raw.failure).toBeUndefined();
    kept.close();
  });
});

describe("an eventfd for what completes later", () => {
  test("stays silent for what completes within enter, and tells of what a worker completes", async () => {
    using raw = new RawRing({ entries: 8, taskrun: "none", singleIssuer: false });
    const fd = sys.eventfd(0, 0o4000);
    const signalled = (): boolean => {
      try {
        sys.read(fd, new BigUint64Array(new ArrayBuffer(8)));
        return true;
      } catch {
        return false;
      }
    };
    raw.register.eventfdAsync(fd);
    expect(code(() => raw.register.eventfdAsync(fd))).toBe("EBUSY");
    const slot = raw.allocate(() => {});
    raw.nop(slot);
    raw.enter(1);
    raw.reap();
    expect(signalled()).toBe(false);
    raw.nop(slot);
    raw.setFlags(abi.IOSQE_ASYNC);
    raw.enter(1);
    raw.reap();
    let told = signalled(); // by the worker, behind its CQE
    for (let i = 0; i < 1000 && !told; i++) {
      await Bun.sleep(1);
      told = signalled();
    }
    expect(told).toBe(true);
    raw.register.unregisterEventfd();
    sys.close(fd);
  });
});

describe("workers' CPUs", () => {
  test("are chosen, and let free again", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const { register } = ring.raw;
    register.iowqAffinity([0]);
    expect(await ring.run(nop().async())).toBe(0);
    register.unregisterIowqAffinity();
    expect(() => register.iowqAffinity([])).toThrow(RangeError);
    expect(() => register.iowqAffinity([-1])).toThrow(RangeError);
  });
});

describe("busy polling", () => {
  const has = requires(kernelAtLeast("6.9"), "needs Linux 6.9");
  has("answers the settings before", () => {
    using raw = new RawRing({ entries: 8 });
    expect(raw.register.napi({ busyPollUs: 40, prefer: true })).toMatchObject({ busyPollUs: 0, prefer: false });
    const before = raw.register.napi({ busyPollUs: 50 });
    expect(before).toEqual({ busyPollUs: 40, prefer: true, tracking: "dynamic" });
    expect(raw.register.unregisterNapi()).toMatchObject({ busyPollUs: 50, prefer: false });
    expect(() => raw.register.napi({ tracking: "some" as never })).toThrow(RangeError);
  });

  const queues = requires(kernelAtLeast("6.13"), "needs Linux 6.13");
  queues("of single queues needs tracking by hand", () => {
    using raw = new RawRing({ entries: 8 });
    raw.register.napi({ busyPollUs: 10 });
    expect(code(() => raw.register.napiQueue(9000, "add"))).toBe("EINVAL");
    raw.register.unregisterNapi();
    raw.register.napi({ busyPollUs: 10, tracking: "static" });
    raw.register.napiQueue(9000, "add");
    expect(code(() => raw.register.napiQueue(9000, "add"))).toBe("EEXIST");
    raw.register.napiQueue(9000, "delete");
    expect(code(() => raw.register.napiQueue(9000, "delete"))).toBe("ENOENT");
  });
});

describe("the clock of waits", () => {
  const has = requires(kernelAtLeast("6.12"), "needs Linux 6.12");
  has("is monotonic or boottime", () => {
    using raw = new RawRing({ entries: 8 });
    for (const clock of ["boottime", "monotonic"] as const) {
      raw.register.clock(clock);
      expect(raw.enter(1, 1e6)).toBe(-62);
    }
    expect(() => raw.register.clock("realtime" as never)).toThrow(RangeError);
  });
});

describe("a cancel that waits", () => {
  test("returns when what it cancelled has ended", () => {
    using raw = new RawRing({ entries: 8 });
    using ends = pipe();
    const results: number[] = [];
    const slots = [0, 1, 2].map(() => raw.allocate((result) => results.push(result)));
    for (const slot of slots) raw.poll(slot, ends.first, POLLIN);
    raw.enter(0);
    expect(raw.register.syncCancel({ target: { slot: slots[0]!, generation: raw.generation(slots[0]!) } }, 5000)).toBe(0);
    raw.enter(0);
    raw.reap();
    expect(results).toEqual([-125]);
    expect(raw.register.syncCancel({ fd: ends.first, all: true }, 5000)).toBe(2);
    raw.enter(0);
    raw.reap();
    expect(results).toEqual([-125, -125, -125]);
    expect(code(() => raw.register.syncCancel({ fd: ends.first }, 100))).toBe("ENOENT");
    expect(() => raw.register.syncCancel({ fd: ends.first }, -1)).toThrow(RangeError);
  });

  test("takes the handle of a described operation, and every other way to choose", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const waiting = [
      ring.settle(poll({ fd: ends.first, events: POLLIN })),
      ring.settle(timeout({ ms: 60_000 })),
      ring.settle(timeout({ ms: 60_000 })),
    ];
    await ring.run(nop());
    const cancelled: number[] = [];
    if (kernelAtLeast("6.6")) cancelled.push(ring.raw.register.syncCancel({ opcode: abi.IORING_OP_POLL_ADD, all: true }, 1000));
    cancelled.push(ring.raw.register.syncCancel({ any: true }, 1000));
    ring.kick();
    for (const settled of await Promise.all(waiting)) expect(settled).toMatchObject({ reason: { code: "ECANCELED" } });
    // What was cancelled and has not been told yet may be found again.
    expect(cancelled[0]).toBe(kernelAtLeast("6.6") ? 1 : 3);
    expect(cancelled.at(-1)).toBeWithin(2, 4);
  });
});

describe("a memory region", () => {
  const has = requires(kernelAtLeast("6.13"), "needs Linux 6.13");
  has("is one per ring, of the caller's memory or of the kernel's", () => {
    using arena = Arena.allocate(8192);
    using raw = new RawRing({ entries: 8 });
    expect(raw.register.memoryRegion({ address: arena.address, length: 8192 })).toBe(0);
    expect(code(() => raw.register.memoryRegion({ address: arena.address, length: 8192 }))).toBe("EBUSY");
    expect(() => raw.register.memoryRegion({ address: arena.address + 8, length: 4096 })).toThrow(RangeError);
    expect(() => raw.register.memoryRegion({ length: 100 })).toThrow(RangeError);
    using kernels = new RawRing({ entries: 8 });
    const offset = kernels.register.memoryRegion({ length: 4096 });
    using mapped = Arena.map(kernels.fd, offset, 4096);
    expect(mapped.bytes().every((byte) => byte === 0)).toBe(true);
    raw.close();
  });

  has("for waits is taken only while the ring is disabled", () => {
    using arena = Arena.allocate(4096);
    using raw = new RawRing({ entries: 8 });
    expect(code(() => raw.register.memoryRegion({ address: arena.address, length: 4096, waits: true }))).toBe("EINVAL");
    raw.close();
  });
});
