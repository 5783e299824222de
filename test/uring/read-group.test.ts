import { describe, expect, test } from "bun:test";
import { type HeldChunk, nop, provideBuffers, Ring, readMultishot, readProvided, removeBuffers, UringError, write } from "uring-ublk";
import { Arena, sys } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { memoryFile, pattern, pipe } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

describe("a read into a buffer that the kernel chooses", () => {
  test("has the data, short at the end of the file and empty behind it", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.bufferGroup({ buffers: 4, size: 64 });
    using file = memoryFile(pattern(100));
    using whole = await ring.run(readProvided({ fd: file.first, group, offset: 10 }));
    expect(whole.bytes).toEqual(pattern(100).slice(10, 74));
    using part = await ring.run(readProvided({ fd: file.first, group, offset: 3, length: 5 }));
    expect(part.bytes).toEqual(pattern(100).slice(3, 8));
    using end = await ring.run(readProvided({ fd: file.first, group, offset: 90 }));
    expect(end.bytes).toEqual(pattern(100).slice(90));
    using behind = await ring.run(readProvided({ fd: file.first, group, offset: 100 }));
    expect(behind.bytes.length).toBe(0);
    expect(group.held).toBe(4);
  });

  test("is refused while all buffers are held, and works again when one was given back", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.bufferGroup({ buffers: 2, size: 16 });
    using file = memoryFile(pattern(100));
    const next = (): Promise<HeldChunk> => ring.run(readProvided({ fd: file.first, group, offset: 0 }));
    const first = await next();
    using second = await next();
    expect(await failure(next())).toMatchObject({ code: "ENOBUFS", operation: "readProvided" });
    first.release();
    first.release(); // twice is fine
    expect(group.held).toBe(1);
    using third = await next();
    expect(third.bytes).toEqual(second.bytes);
  });

  test("keeps a copy when asked to", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.bufferGroup({ buffers: 1, size: 16 });
    using file = memoryFile(pattern(100));
    const copies: Uint8Array[] = [];
    for (let i = 0; i < 5; i++) {
      using piece = await ring.run(readProvided({ fd: file.first, group, offset: i * 16 }));
      copies.push(piece.keep());
    }
    expect(Buffer.concat(copies)).toEqual(Buffer.from(pattern(100).slice(0, 80)));
  });

  test("loses no buffer to errors, nor to an abort", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.bufferGroup({ buffers: 2, size: 16 });
    using ends = pipe();
    for (let i = 0; i < 5; i++) {
      expect(await failure(ring.run(readProvided({ fd: 9999, group })))).toMatchObject({ code: "EBADF" });
      const controller = new AbortController();
      const waiting = failure(ring.run(readProvided({ fd: ends.first, group }), { signal: controller.signal }));
      controller.abort(new Error("enough"));
      expect(await waiting).toMatchObject({ message: "enough" });
    }
    await ring.run(write({ fd: ends.second, buffer: pattern(32) }));
    using one = await ring.run(readProvided({ fd: ends.first, group }));
    using two = await ring.run(readProvided({ fd: ends.first, group }));
    expect(Buffer.concat([one.bytes, two.bytes])).toEqual(Buffer.from(pattern(32)));
  });

  test("may be given back after its group is gone", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const group = ring.bufferGroup({ buffers: 2, size: 16 });
    using file = memoryFile(pattern(100));
    const piece = await ring.run(readProvided({ fd: file.first, group, offset: 0 }));
    group[Symbol.dispose]();
    piece.release();
    expect(piece.bytes.length).toBe(0); // the memory is gone, and the view with it
  });
});

const multishot = requires(kernelAtLeast("6.7"), "multishot reads need Linux 6.7");

describe("a multishot read", () => {
  multishot("gives every byte of a pipe in order, and ends with its last writer", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.bufferGroup({ buffers: 4, size: 100 });
    const [reader, writer] = sys.pipe();
    const wanted = pattern(5000);
    const writing = (async () => {
      for (let at = 0; at < wanted.length; at += 250) await ring.run(write({ fd: writer, buffer: wanted.slice(at, at + 250) }));
      sys.close(writer);
    })();
    const got: Uint8Array[] = [];
    for await (const chunk of ring.run(readMultishot({ fd: reader, group }))) got.push(chunk.keep());
    await writing;
    sys.close(reader);
    expect(Buffer.concat(got)).toEqual(Buffer.from(wanted));
    expect(group.held).toBe(0);
  });

  multishot("pauses while the consumer holds every buffer, and loses nothing", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.bufferGroup({ buffers: 1, size: 10 });
    const [reader, writer] = sys.pipe();
    sys.write(writer, pattern(100));
    sys.close(writer);
    const got: number[] = [];
    for await (const chunk of ring.run(readMultishot({ fd: reader, group }))) {
      await ring.run(nop()); // other work goes on meanwhile
      got.push(...chunk.bytes);
    }
    sys.close(reader);
    expect(got).toEqual([...pattern(100)]);
  });

  multishot("is cancelled when the loop is left, and can be started again", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.bufferGroup({ buffers: 2, size: 16 });
    using ends = pipe();
    for (let round = 0; round < 3; round++) {
      sys.write(ends.second, Uint8Array.of(round));
      for await (const chunk of ring.run(readMultishot({ fd: ends.first, group }))) {
        expect([...chunk.bytes]).toEqual([round]);
        break;
      }
      expect(ring.inFlight).toBe(0);
    }
  });

  multishot("ends with the signal's reason when it is aborted", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.bufferGroup({ buffers: 2, size: 16 });
    using ends = pipe();
    const controller = new AbortController();
    const reading = failure(
      (async () => {
        for await (const _ of ring.run(readMultishot({ fd: ends.first, group }), { signal: controller.signal })) expect.unreachable();
      })(),
    );
    controller.abort(new Error("enough"));
    expect(await reading).toMatchObject({ message: "enough" });
  });

  multishot("names its remedy for a regular file, which cannot be polled", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.bufferGroup({ buffers: 2, size: 16 });
    using file = memoryFile(pattern(10));
    try {
      for await (const _ of ring.run(readMultishot({ fd: file.first, group }))) expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "EBADFD", hint: expect.stringContaining("readProvided") });
    }
  });
});

describe("buffers of the older kind", () => {
  test("are provided, used by the raw layer, and removed", () => {
    using raw = new RawRing({ entries: 8 });
    using memory = Arena.allocate(4096);
    using file = memoryFile(pattern(100));
    const seen: [number, number][] = [];
    const slot = raw.allocate((result, flags) => seen.push([result, flags]));
    const run = (write: () => void): void => {
      write();
      raw.enter(1);
      raw.reap();
    };
    run(() => raw.provideBuffers(slot, memory.address, 1024, 4, 900, 10));
    run(() => raw.readProvided(slot, file.first, 900, 50, 0, 0));
    run(() => raw.removeBuffers(slot, 100, 900));
    const [provided, got, removed] = seen as [[number, number], [number, number], [number, number]];
    expect(provided[0]).toBeGreaterThanOrEqual(0);
    expect(got[0]).toBe(50);
    expect(got[1] & abi.IORING_CQE_F_BUFFER).toBe(abi.IORING_CQE_F_BUFFER);
    const bid = got[1] >>> abi.IORING_CQE_BUFFER_SHIFT;
    expect(bid).toBeGreaterThanOrEqual(10);
    expect(memory.bytes((bid - 10) * 1024, 50)).toEqual(pattern(100).slice(0, 50));
    expect(removed[0]).toBe(3);
  });

  test("do not mix with a group of the newer kind", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.bufferGroup({ buffers: 2, size: 16 });
    using memory = Arena.allocate(4096);
    expect(await failure(ring.run(provideBuffers({ group: group.id, memory, size: 1024 })))).toBeInstanceOf(UringError);
    expect(await failure(ring.run(removeBuffers({ group: group.id, buffers: 1 })))).toBeInstanceOf(UringError);
    expect(await ring.run(provideBuffers({ group: 1000, memory, size: 1024 }))).toBe(0);
    expect(await ring.run(removeBuffers({ group: 1000, buffers: 1 }))).toBe(1);
    expect(await ring.run(removeBuffers({ group: 1000, buffers: 9 }))).toBe(3);
    expect(await ring.run(removeBuffers({ group: 1000, buffers: 1 }))).toBe(0);
    expect(await failure(ring.run(removeBuffers({ group: 1001, buffers: 1 })))).toMatchObject({ code: "ENOENT" });
  });
});
