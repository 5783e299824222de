import { describe, expect, test } from "bun:test";
import { FixedBuffer, FixedFile, nop, Ring, read, readFixed, UringError } from "uring-ublk";
import { Arena, sys } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { memoryFile, pattern, pipe } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

describe("the file table", () => {
  test("starts empty; slots are filled, changed and emptied", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 8 });
    using one = memoryFile(pattern(10, 1));
    using two = memoryFile(pattern(10, 2));
    const slot = new FixedFile(5);
    const first = async (): Promise<number | string> => {
      const buffer = new Uint8Array(1);
      const settled = await ring.settle(read({ fd: slot, buffer, offset: 0 }));
      return settled.status === "fulfilled" ? buffer[0]! : (settled.reason as UringError).code;
    };
    expect(await first()).toBe("EBADF");
    ring.raw.register.updateFiles(4, [one.first, two.first]);
    expect(await first()).toBe(pattern(10, 2)[0]!);
    ring.raw.register.updateFiles(5, [one.first]);
    expect(await first()).toBe(pattern(10, 1)[0]!);
    ring.raw.register.updateFiles(5, [-1]);
    expect(await first()).toBe("EBADF");
  });

  test("keeps a file open whose descriptor is closed", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 1 });
    const fd = sys.open("/proc/version", 0);
    ring.raw.register.updateFiles(0, [fd]);
    sys.close(fd);
    expect(await ring.run(read({ fd: new FixedFile(0), buffer: new Uint8Array(5), offset: 0 }))).toBe(5);
  });

  test("gives a slot another file while an operation is in flight on the one before: that one keeps its file", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 1 });
    using old = pipe();
    using other = pipe();
    const fd = new FixedFile(0);
    ring.raw.register.updateFiles(0, [old.first]);
    const first = ring.run(read({ fd, buffer: new Uint8Array(4) }));
    await new Promise((resolve) => setImmediate(resolve)); // submitted, and waiting
    ring.raw.register.updateFiles(0, [other.first]);
    const second = ring.run(read({ fd, buffer: new Uint8Array(4) }));
    sys.write(other.second, new Uint8Array(3));
    expect(await second).toBe(3);
    sys.write(old.second, new Uint8Array(2));
    expect(await first).toBe(2);
  });

  test("can be made once, dropped, and made again", () => {
    using raw = new RawRing({ entries: 8 });
    raw.register.sparseFiles(4);
    expect(() => raw.register.sparseFiles(4)).toThrow(/EBUSY/);
    raw.register.unregisterFiles();
    expect(() => raw.register.unregisterFiles()).toThrow(UringError);
    raw.register.sparseFiles(100);
  });

  test("takes hundreds of descriptors in one call, under garbage collection", () => {
    using raw = new RawRing({ entries: 8 });
    using file = memoryFile(pattern(10));
    raw.register.sparseFiles(500);
    const fds = Array.from({ length: 500 }, () => file.first);
    for (let i = 0; i < 200; i++) {
      raw.register.updateFiles(0, fds);
      if (i % 50 === 0) Bun.gc(true);
    }
  });
});

describe("the fixed-buffer table", () => {
  test("starts empty; memory is put in and taken out", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 4 });
    using file = memoryFile(pattern(100));
    const arena = Arena.allocate(8192);
    const buffer = new FixedBuffer(2, arena.address, 100, "memory");
    expect(await failure(ring.run(readFixed({ fd: file.first, buffer, offset: 0 })))).toMatchObject({
      code: "EFAULT",
    });
    ring.raw.register.updateBuffers(2, [{ address: arena.address, length: 8192 }]);
    expect(await ring.run(readFixed({ fd: file.first, buffer, offset: 0 }))).toBe(100);
    expect(arena.bytes(0, 100)).toEqual(pattern(100));
    ring.raw.register.updateBuffers(2, [{ address: 0, length: 0 }]);
    expect(await failure(ring.run(readFixed({ fd: file.first, buffer, offset: 0 })))).toMatchObject({
      code: "EFAULT",
    });
    arena.dispose();
  });

  test("is limited, and can be dropped", () => {
    using raw = new RawRing({ entries: 8 });
    expect(() => raw.register.sparseBuffers(0)).toThrow(RangeError);
    expect(() => raw.register.sparseBuffers(16385)).toThrow(RangeError);
    raw.register.sparseBuffers(16384);
    expect(() => raw.register.sparseBuffers(1)).toThrow(/EBUSY/);
    raw.register.unregisterBuffers();
  });
});

describe("an eventfd", () => {
  test("is signalled by completions, unless they are told not to", () => {
    using raw = new RawRing({ entries: 8 });
    const fd = sys.eventfd(0, 0o4000);
    const counter = new BigUint64Array(new ArrayBuffer(8));
    const signalled = (): boolean => {
      try {
        sys.read(fd, counter);
        return true;
      } catch {
        return false; // EAGAIN: nobody signalled
      }
    };
    raw.register.eventfd(fd);
    const slot = raw.allocate(() => {});
    const complete = (): void => {
      raw.nop(slot);
      raw.enter(1);
      raw.reap();
    };
    complete();
    expect(signalled()).toBe(true);
    raw.eventfdEnabled = false;
    complete();
    expect(signalled()).toBe(false);
    raw.eventfdEnabled = true;
    complete();
    expect(signalled()).toBe(true);
    expect(() => raw.register.eventfd(fd)).toThrow(/EBUSY/);
    raw.register.unregisterEventfd();
    complete();
    expect(signalled()).toBe(false);
    sys.close(fd);
  });
});

describe("other registrations", () => {
  test("limit the worker pool, and tell the old limits", () => {
    using raw = new RawRing({ entries: 8 });
    raw.register.iowqMaxWorkers(3, 5);
    expect(raw.register.iowqMaxWorkers(0, 0)).toEqual([3, 5]);
  });

  test("enable a ring that started disabled", async () => {
    await using ring = await Ring.open({ entries: 8, disabled: true });
    ring.raw.register.enable();
    expect(await ring.run(nop())).toBe(0);
    expect(() => ring.raw.register.enable()).toThrow(/EBADFD/);
  });

  test("are refused with the name of the call and the kernel's reason", () => {
    using raw = new RawRing({ entries: 8 });
    try {
      raw.register.call("nonsense", 200, 0, 0, "there is no such thing");
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(UringError);
      expect(error).toMatchObject({
        operation: "register nonsense",
        syscall: "io_uring_register",
        code: "EINVAL",
        hint: "there is no such thing",
      });
    }
    expect(raw.register.probe().has(abi.IORING_OP_NOP)).toBe(true);
  });
});
