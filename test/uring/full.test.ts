import { describe, expect, test } from "bun:test";
import { FixedFile, nop, Ring, readAll, UringError, writeAll } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { memoryFile, pattern, pipe } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

const PIPE_BYTES = 65536;

/** Writes pieces to a pipe, each only after the one before was read: every read is short. */
async function trickle(ring: Ring, fd: number, bytes: Uint8Array, piece: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += piece) {
    sys.write(fd, bytes.subarray(at, at + piece));
    while (unread(fd) > 0) await ring.run(nop()); // a turn of the ring
  }
}

/** Bytes that wait in a pipe (FIONREAD). */
function unread(fd: number): number {
  const count = new Int32Array(new ArrayBuffer(4));
  sys.ioctl(fd, 0x541b, count);
  return count[0]!;
}

describe("reading all", () => {
  test("goes on after short reads until the buffer is full", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const buffer = new Uint8Array(1000);
    const reading = readAll(ring, { fd: ends.first, buffer });
    await trickle(ring, ends.second, pattern(1000), 70);
    expect(await reading).toEqual({ bytes: 1000, end: "full" });
    expect(buffer).toEqual(pattern(1000));
  });

  test("stops at the end of a stream, and says so", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const [reader, writer] = sys.pipe();
    const buffer = new Uint8Array(1000);
    const reading = readAll(ring, { fd: reader, buffer });
    await trickle(ring, writer, pattern(500), 123);
    sys.close(writer);
    expect(await reading).toEqual({ bytes: 500, end: "eof" });
    expect(buffer.slice(0, 500)).toEqual(pattern(500));
    expect(await readAll(ring, { fd: reader, buffer })).toEqual({ bytes: 0, end: "eof" });
    sys.close(reader);
  });

  test("knows a file that ends with the buffer from one that ends before", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 1 });
    using file = memoryFile(pattern(100));
    ring.raw.register.updateFiles(0, [file.first]);
    for (const fd of [file.first, new FixedFile(0)]) {
      expect(await readAll(ring, { fd, buffer: new Uint8Array(100), offset: 0 })).toEqual({ bytes: 100, end: "full" });
      expect(await readAll(ring, { fd, buffer: new Uint8Array(101), offset: 0 })).toEqual({ bytes: 100, end: "eof" });
      expect(await readAll(ring, { fd, buffer: new Uint8Array(10), offset: 95 })).toEqual({ bytes: 5, end: "eof" });
      expect(await readAll(ring, { fd, buffer: new Uint8Array(0), offset: 0 })).toEqual({ bytes: 0, end: "full" });
    }
  });

  test("fills views with an offset, ArrayBuffers, shared memory and fixed buffers", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
    const fixed = ring.fixedBuffer(4096);
    const whole = new ArrayBuffer(64);
    const shared = new SharedArrayBuffer(50);
    const cases = [
      [new Uint8Array(whole, 7, 50), () => new Uint8Array(whole, 7, 50)],
      [new DataView(whole, 9, 50), () => new Uint8Array(whole, 9, 50)],
      [shared, () => new Uint8Array(shared)],
      [fixed.slice(100, 50), () => fixed.bytes.subarray(100, 150)],
    ] as const;
    for (const [buffer, bytes] of cases) {
      using ends = pipe();
      const reading = readAll(ring, { fd: ends.first, buffer });
      await trickle(ring, ends.second, pattern(50, 3), 9);
      expect(await reading).toEqual({ bytes: 50, end: "full" });
      expect([...bytes()]).toEqual([...pattern(50, 3)]);
    }
  });

  test("rejects with the error, or the signal's reason, whenever it comes", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const buffer = new Uint8Array(100);
    expect(await failure(readAll(ring, { fd: 9999, buffer }))).toMatchObject({ code: "EBADF", operation: "read" });
    const aborted = AbortSignal.abort(new Error("before"));
    expect(await failure(readAll(ring, { fd: ends.first, buffer }, { signal: aborted }))).toMatchObject({ message: "before" });
    const controller = new AbortController();
    const reading = failure(readAll(ring, { fd: ends.first, buffer }, { signal: controller.signal }));
    await trickle(ring, ends.second, pattern(10), 5);
    controller.abort(new Error("between"));
    expect(await reading).toMatchObject({ message: "between" });
    expect(buffer.slice(0, 10)).toEqual(pattern(10));
  });

  test("checks its options first", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const buffer = new Uint8Array(100);
    expect(await failure(readAll(ring, { fd: 0, bufer: buffer } as never))).toMatchObject({ message: expect.stringContaining("buffer") });
    expect(await failure(readAll(ring, { fd: 0, buffer, offset: -5 }))).toBeInstanceOf(RangeError);
    expect(await failure(writeAll(ring, { fd: 0, buffer, offset: 1.5 }))).toBeInstanceOf(RangeError);
  });
});

describe("writing all", () => {
  test("goes on after short writes until everything is written", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
    const wanted = pattern(3 * PIPE_BYTES + 17);
    const fixed = ring.fixedBuffer(wanted.length);
    fixed.bytes.set(wanted);
    for (const buffer of [wanted, fixed]) {
      const [reader, writer] = sys.pipe();
      sys.fcntl(writer, 4, 0o4000); // F_SETFL: O_NONBLOCK, so that a full pipe takes a part
      const writing = writeAll(ring, { fd: writer, buffer });
      const back = new Uint8Array(wanted.length);
      expect(await readAll(ring, { fd: reader, buffer: back })).toEqual({ bytes: wanted.length, end: "full" });
      expect(await writing).toBe(wanted.length);
      expect(Buffer.compare(back, wanted)).toBe(0);
      for (const fd of [reader, writer]) sys.close(fd);
    }
  });

  test("goes to the offset", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(10));
    expect(await writeAll(ring, { fd: file.first, buffer: pattern(100, 2), offset: 5 })).toBe(100);
    expect(await writeAll(ring, { fd: file.first, buffer: new Uint8Array(0), offset: 5 })).toBe(0);
    const back = new Uint8Array(200);
    expect(await readAll(ring, { fd: file.first, buffer: back, offset: 0 })).toEqual({ bytes: 105, end: "eof" });
    expect(back.slice(0, 105)).toEqual(new Uint8Array([...pattern(10).slice(0, 5), ...pattern(100, 2)]));
  });

  test("rejects when the disk is full or the reader is gone", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const full = sys.open("/dev/full", 1);
    expect(await failure(writeAll(ring, { fd: full, buffer: pattern(10) }))).toMatchObject({ code: "ENOSPC", operation: "write" });
    sys.close(full);
    using ends = pipe();
    const controller = new AbortController();
    const writing = failure(writeAll(ring, { fd: ends.second, buffer: pattern(4 * PIPE_BYTES) }, { signal: controller.signal }));
    controller.abort(new Error("enough"));
    const error = await writing;
    expect(error instanceof UringError ? error.code : (error as Error).message).toBe("enough");
  });
});
