import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import {
  close,
  closeDirect,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FixedBuffer,
  FixedFile,
  fallocate,
  fsync,
  openat,
  openatDirect,
  Ring,
  read,
  readFixed,
  readv,
  readvFixed,
  UringError,
  write,
  writeFixed,
  writev,
  writevFixed,
} from "uring-ublk";
import { O_CREAT, O_RDWR, sys } from "uring-ublk/ffi";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { memoryFile, pattern, TemporaryFolder } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

describe("reading and writing", () => {
  test("goes to the offset, and to the file's own position without one", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(100));
    const buffer = new Uint8Array(10);
    expect(await ring.run(read({ fd: file.first, buffer, offset: 40 }))).toBe(10);
    expect(buffer).toEqual(pattern(100).slice(40, 50));
    expect(await ring.run(read({ fd: file.first, buffer }))).toBe(10);
    expect(buffer).toEqual(pattern(100).slice(0, 10));
    expect(await ring.run(read({ fd: file.first, buffer }))).toBe(10);
    expect(buffer).toEqual(pattern(100).slice(10, 20));
  });

  test("is short at the end of the file and 0 behind it", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(100));
    const buffer = new Uint8Array(64);
    expect(await ring.run(read({ fd: file.first, buffer, offset: 90 }))).toBe(10);
    expect(await ring.run(read({ fd: file.first, buffer, offset: 100 }))).toBe(0);
    expect(await ring.run(read({ fd: file.first, buffer: new Uint8Array(0), offset: 0 }))).toBe(0);
  });

  test("reaches offsets beyond 4 GiB", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile();
    const offset = 2 ** 33 + 12345;
    expect(await ring.run(write({ fd: file.first, buffer: pattern(50), offset }))).toBe(50);
    const back = new Uint8Array(50);
    expect(await ring.run(read({ fd: file.first, buffer: back, offset }))).toBe(50);
    expect(back).toEqual(pattern(50));
  });

  test("takes typed arrays, views with an offset, DataViews, ArrayBuffers and shared memory", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(64));
    const whole = new ArrayBuffer(64);
    const shared = new SharedArrayBuffer(64);
    const views = [
      new Uint8Array(whole, 16, 32),
      new Float64Array(4),
      new DataView(new ArrayBuffer(40), 8, 32),
      Buffer.alloc(32),
      whole,
      shared,
    ];
    for (const buffer of views) {
      expect(await ring.run(read({ fd: file.first, buffer, offset: 3 }))).toBe(Math.min(buffer.byteLength, 61));
      const bytes = ArrayBuffer.isView(buffer)
        ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
        : new Uint8Array(buffer);
      const count = Math.min(buffer.byteLength, 61);
      expect(new Uint8Array(bytes.slice(0, count))).toEqual(pattern(64).slice(3, 3 + count));
    }
  });

  test("scatters and gathers in order", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile();
    const parts = [pattern(10, 1), pattern(1, 2), pattern(300, 3)];
    expect(await ring.run(writev({ fd: file.first, buffers: parts, offset: 5 }))).toBe(311);
    const back = [new Uint8Array(300), new Uint8Array(11)];
    expect(await ring.run(readv({ fd: file.first, buffers: back, offset: 5 }))).toBe(311);
    expect(Buffer.concat(back)).toEqual(Buffer.concat(parts));
  });

  test("keeps small buffers in place that nobody else looks at", async () => {
    // Bun moves small arrays whose .buffer was never read; the pins must stop that.
    await using ring = await Ring.open({ entries: 64 });
    using file = memoryFile(pattern(4096));
    for (let round = 0; round < 20; round++) {
      const buffers = Array.from({ length: 50 }, () => new Uint8Array(16));
      const reads = buffers.map((buffer, i) => ring.run(read({ fd: file.first, buffer, offset: i })));
      if (round % 5 === 0) Bun.gc(true);
      await Promise.all(reads);
      for (const [i, buffer] of buffers.entries()) expect(buffer).toEqual(pattern(4096).slice(i, i + 16));
    }
  });

  test("refuses a detached buffer, an odd descriptor and an odd offset before anything is queued", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const detached = new Uint8Array(8);
    detached.buffer.transfer();
    expect(await failure(ring.run(read({ fd: 0, buffer: detached })))).toBeInstanceOf(TypeError);
    expect(await failure(ring.run(read({ fd: 1.5, buffer: new Uint8Array(8) })))).toBeInstanceOf(RangeError);
    expect(await failure(ring.run(read({ fd: -2, buffer: new Uint8Array(8) })))).toBeInstanceOf(RangeError);
    expect(await failure(ring.run(read({ fd: 0, buffer: new Uint8Array(8), offset: -1 })))).toBeInstanceOf(RangeError);
    expect(await failure(ring.run(read({ fd: 0, buffer: new Uint8Array(8), offset: 0.5 })))).toBeInstanceOf(RangeError);
    expect(await failure(ring.run(readv({ fd: 0, buffers: [] })))).toBeInstanceOf(RangeError);
    expect(ring.inFlight).toBe(0);
    expect(ring.raw.inFlight).toBe(0);
  });

  test("says EBADF for a descriptor that is closed or faces the wrong way", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    writeFileSync(folder.file("a"), "abc");
    const readOnly = sys.open(folder.file("a"), 0);
    const error = await failure(ring.run(write({ fd: readOnly, buffer: new Uint8Array(1), offset: 0 })));
    sys.close(readOnly);
    expect(error).toBeInstanceOf(UringError);
    expect(error).toMatchObject({
      name: "UringError",
      code: "EBADF",
      operation: "write",
      syscall: "io_uring write",
    });
  });
});

describe("fixed buffers", () => {
  test("carry data both ways, whole and in parts", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 2 });
    using file = memoryFile();
    const buffer = ring.fixedBuffer(8192);
    buffer.bytes.set(pattern(8192));
    expect(await ring.run(writeFixed({ fd: file.first, buffer, offset: 0 }))).toBe(8192);
    buffer.bytes.fill(0);
    expect(await ring.run(readFixed({ fd: file.first, buffer: buffer.slice(4096, 100), offset: 7 }))).toBe(100);
    expect(buffer.bytes.slice(4096, 4196)).toEqual(pattern(8192).slice(7, 107));
    expect(buffer.bytes.slice(0, 4096).every((byte) => byte === 0)).toBe(true);
  });

  const vectored = requires(kernelAtLeast("6.15"), "vectored fixed operations need Linux 6.15");
  vectored("are read into and written from in several parts", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
    using file = memoryFile();
    const buffer = ring.fixedBuffer(4096);
    buffer.bytes.set(pattern(4096));
    const parts = [buffer.slice(100, 50), buffer.slice(0, 20)];
    expect(await ring.run(writevFixed({ fd: file.first, buffers: parts, offset: 0 }))).toBe(70);
    expect(await ring.run(readvFixed({ fd: file.first, buffers: [buffer.slice(1000, 70)], offset: 0 }))).toBe(70);
    const wanted = [...pattern(4096).slice(100, 150), ...pattern(4096).slice(0, 20)];
    expect([...buffer.bytes.slice(1000, 1070)]).toEqual(wanted);
  });

  test("say EFAULT where the table is empty or the range too long", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 2 });
    using file = memoryFile(pattern(100));
    const empty = new FixedBuffer(1, 0x1000, 100, "memory");
    const error = await failure(ring.run(readFixed({ fd: file.first, buffer: empty, offset: 0 })));
    expect(error).toMatchObject({ code: "EFAULT", operation: "readFixed" });
    expect((error as UringError).hint).toContain("fixed buffer is missing");
    const buffer = ring.fixedBuffer(4096);
    const long = new FixedBuffer(buffer.index, buffer.address, 4097, "memory");
    expect(await failure(ring.run(readFixed({ fd: file.first, buffer: long, offset: 0 })))).toMatchObject({
      code: "EFAULT",
    });
  });

  test("are limited to the table and to their own range", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
    const buffer = ring.fixedBuffer(4096);
    expect(() => ring.fixedBuffer(4096)).toThrow(/open the ring with more fixedBuffers/);
    expect(() => buffer.slice(4000, 100)).toThrow(RangeError);
    expect(() => buffer.slice(-1)).toThrow(RangeError);
    await using without = await Ring.open({ entries: 8 });
    expect(() => without.fixedBuffer(4096)).toThrow(RangeError);
  });
});

describe("durability and space", () => {
  test("fsync and fdatasync resolve to 0, and name the operation when they fail", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    const fd = sys.open(folder.file("a"), O_RDWR | O_CREAT);
    await ring.run(write({ fd, buffer: pattern(100), offset: 0 }));
    expect(await ring.run(fsync({ fd }))).toBe(0);
    expect(await ring.run(fsync({ fd, dataOnly: true }))).toBe(0);
    sys.close(fd);
    expect(await failure(ring.run(fsync({ fd: 1_000_000 })))).toMatchObject({
      code: "EBADF",
      operation: "fsync",
    });
  });

  test("fallocate allocates, and punches holes that read as zeros", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile();
    expect(await ring.run(fallocate({ fd: file.first, offset: 0, length: 65536 }))).toBe(0);
    await ring.run(write({ fd: file.first, buffer: new Uint8Array(65536).fill(1), offset: 0 }));
    await ring.run(
      fallocate({
        fd: file.first,
        mode: FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
        offset: 4096,
        length: 8192,
      }),
    );
    const back = new Uint8Array(65536);
    expect(await ring.run(read({ fd: file.first, buffer: back, offset: 0 }))).toBe(65536);
    expect(back.slice(4096, 12288).every((byte) => byte === 0)).toBe(true);
    expect(back[4095]).toBe(1);
    expect(back[12288]).toBe(1);
    expect(await failure(ring.run(fallocate({ fd: file.first, offset: 0, length: 0 })))).toMatchObject({
      code: "EINVAL",
      operation: "fallocate",
    });
  });
});

describe("opening and closing", () => {
  test("creates, opens and closes a file", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    const fd = await ring.run(openat({ path: folder.file("new"), flags: O_RDWR | O_CREAT, mode: 0o600 }));
    expect(sys.fcntl(fd, 1) & 1).toBe(1); // F_GETFD: close-on-exec
    await ring.run(write({ fd, buffer: new TextEncoder().encode("hello") }));
    expect(await ring.run(close({ fd }))).toBe(0);
    expect(readFileSync(folder.file("new"), "utf8")).toBe("hello");
    expect(await failure(ring.run(close({ fd })))).toMatchObject({ code: "EBADF", operation: "close" });
  });

  test("opens relative to a directory", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    writeFileSync(folder.file("inside"), "x");
    const dirfd = sys.open(folder.path, 0);
    const fd = await ring.run(openat({ path: "inside", dirfd }));
    expect(await ring.run(read({ fd, buffer: new Uint8Array(4) }))).toBe(1);
    sys.close(fd);
    sys.close(dirfd);
  });

  test("names what is wrong with a path", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await failure(ring.run(openat({ path: "/no/such/file" })))).toMatchObject({
      code: "ENOENT",
      errno: -2,
      operation: "openat",
    });
    expect(await failure(ring.run(openat({ path: "a\0b" })))).toBeInstanceOf(TypeError);
  });

  test("opens into the file table: any slot, or a given one", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
    const given = await ring.run(openatDirect({ path: "/proc/version", slot: new FixedFile(2) }));
    expect(given).toEqual(new FixedFile(2));
    const any = await ring.run(openatDirect({ path: "/proc/version", slot: "any" }));
    expect(any.slot).not.toBe(2);
    for (const file of [given, any]) {
      const buffer = new Uint8Array(5);
      expect(await ring.run(read({ fd: file, buffer, offset: 0 }))).toBe(5);
      expect(new TextDecoder().decode(buffer)).toBe("Linux");
      expect(await ring.run(closeDirect({ slot: file }))).toBe(0);
      expect(await failure(ring.run(read({ fd: file, buffer, offset: 0 })))).toMatchObject({ code: "EBADF" });
    }
    expect(await failure(ring.run(closeDirect({ slot: given })))).toMatchObject({
      code: "EBADF",
      operation: "closeDirect",
    });
  });

  test("says what is missing when there is no table, or no room in it", async () => {
    await using without = await Ring.open({ entries: 8 });
    const slot = new FixedFile(0);
    expect(await failure(without.run(openatDirect({ path: "/proc/version", slot })))).toMatchObject({
      code: "ENXIO",
      hint: expect.stringContaining("no file table"),
    });
    expect(await failure(without.run(openatDirect({ path: "/proc/version", slot: "any" })))).toMatchObject({
      code: "ENFILE",
      hint: expect.stringContaining("fixedFiles"),
    });
    await using ring = await Ring.open({ entries: 8, fixedFiles: 1 });
    await ring.run(openatDirect({ path: "/proc/version", slot: "any" }));
    expect(await failure(ring.run(openatDirect({ path: "/proc/version", slot: "any" })))).toMatchObject({
      code: "ENFILE",
    });
    expect(await failure(ring.run(openatDirect({ path: "/proc/version", slot: new FixedFile(7) })))).toMatchObject({ code: "EINVAL" });
  });
});
