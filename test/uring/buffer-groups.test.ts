// file timeout: 600 s
import { describe, expect, test } from "bun:test";
import {
  type BufferGroup,
  type BufferGroupOptions,
  type Bundle,
  type Chunk,
  type HeldBundle,
  type HeldChunk,
  type MultishotOperation,
  type RecvMultishotOptions,
  Ring,
  recv,
  recvMultishot,
  send,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { pattern, SOCK_DGRAM, socketPair } from "./support/descriptors.ts";
import { bytesOf, failure, text } from "./support/network.ts";

const incremental = requires(kernelAtLeast("6.12"), "incremental consumption needs Linux 6.12");
const bundles = requires(kernelAtLeast("6.10"), "bundles need Linux 6.10");
const status = kernelAtLeast("6.8");

/** Every buffer is with the kernel, by our count and by its own. */
function expectAllBack(group: BufferGroup, buffers: number): void {
  expect({ held: group.held, free: group.free }).toEqual({ held: 0, free: buffers });
  if (status) expect(group.kernelFree()).toBe(buffers);
}

const partsOf = (item: Chunk | Bundle): readonly Uint8Array[] => ("parts" in item ? item.parts : [item.bytes]);

describe("a receive into a group", () => {
  test("lends one buffer until it is released", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 2, size: 64 });
    await ring.run(send({ fd: ends.first, buffer: bytesOf("hello") }));
    const chunk = await ring.run(recv({ fd: ends.second, group }));
    expect([text(chunk.bytes), group.held, group.free]).toEqual(["hello", 1, 1]);
    chunk.release();
    chunk.release();
    expectAllBack(group, 2);
    await ring.run(send({ fd: ends.first, buffer: bytesOf("0123456789") }));
    {
      using part = await ring.run(recv({ fd: ends.second, group, length: 4 }));
      expect(text(part.keep())).toBe("0123");
    }
    {
      using rest = await ring.run(recv({ fd: ends.second, group }));
      expect(text(rest.bytes)).toBe("456789");
    }
    expectAllBack(group, 2);
  });

  test("finds the end of the stream without taking a buffer", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const ends = socketPair();
    using group = ring.bufferGroup({ buffers: 2, size: 64 });
    sys.close(ends.first);
    using chunk = await ring.run(recv({ fd: ends.second, group }));
    expect(chunk.bytes.length).toBe(0);
    expectAllBack(group, 2);
    sys.close(ends.second);
  });

  test("fails with ENOBUFS when all buffers are lent, and works again when one is back", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair(SOCK_DGRAM);
    using group = ring.bufferGroup({ buffers: 1, size: 64 });
    for (const word of ["one", "two"]) await ring.run(send({ fd: ends.first, buffer: bytesOf(word) }));
    const one = await ring.run(recv({ fd: ends.second, group }));
    expect(await failure(ring.run(recv({ fd: ends.second, group })))).toMatchObject({ code: "ENOBUFS", operation: "recv" });
    one.release();
    using two = await ring.run(recv({ fd: ends.second, group }));
    expect(text(two.bytes)).toBe("two");
  });

  test("gives the buffer back when it is aborted", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair(SOCK_DGRAM);
    using group = ring.bufferGroup({ buffers: 4, size: 64 });
    for (let round = 0; round < 60; round++) {
      const abort = new AbortController();
      const receiving = ring.settle(recv({ fd: ends.second, group, bundle: round % 2 === 0 }), { signal: abort.signal });
      if (round % 3 === 0) await Bun.sleep(0);
      sys.write(ends.first, bytesOf(`${round}`));
      if (round % 3 === 1) ring.raw.enter(0);
      abort.abort();
      const settled = await receiving;
      if (settled.status === "fulfilled") (settled.value as { release(): void }).release();
      expectAllBack(group, 4);
    }
  });

  test("is refused when the group is gone", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const group = ring.bufferGroup({ buffers: 1, size: 64 });
    group[Symbol.dispose]();
    expect(group.disposed).toBe(true);
    expect(await failure(ring.run(recv({ fd: 1, group })))).toMatchObject({
      name: "TypeError",
      message: expect.stringMatching(/disposed/),
    });
    expect(await failure(ring.run(recvMultishot({ fd: 1, group })).next())).toMatchObject({ name: "TypeError" });
    expect(() => group.kernelFree()).toThrow(/disposed/);
  });

  test("that waits for a buffer ends when the group goes", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair(SOCK_DGRAM);
    const group = ring.bufferGroup({ buffers: 1, size: 64 });
    for (const word of ["one", "two"]) sys.write(ends.first, bytesOf(word));
    const holder = await ring.run(recv({ fd: ends.second, group }));
    const next = ring.run(recvMultishot({ fd: ends.second, group })).next();
    await Bun.sleep(2);
    group[Symbol.dispose]();
    expect(await failure(next)).toMatchObject({ name: "TypeError", message: expect.stringMatching(/disposed/) });
    holder.release(); // late, and harmless
    expect(holder.bytes.length).toBe(0);
  });
});

describe("a bundle", () => {
  bundles("spans several buffers, in order", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 16, size: 100 });
    await ring.run(send({ fd: ends.first, buffer: pattern(950) }));
    using bundle = await ring.run(recv({ fd: ends.second, group, bundle: true }));
    expect(bundle.keep()).toEqual(pattern(bundle.length));
    expect(bundle.parts.slice(0, -1).every(({ length }) => length === 100)).toBe(true);
    expect(group.held).toBe(bundle.parts.length);
  });

  bundles("follows the order in which buffers were given back", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 8, size: 10 });
    let seed = 0;
    for (let round = 0; round < 100; round++) {
      // Single buffers, given back in another order than they were taken in.
      const held = [];
      for (let i = 0; i < 3 + (round % 4); i++) {
        await ring.run(send({ fd: ends.first, buffer: pattern(10, ++seed) }));
        const chunk = await ring.run(recv({ fd: ends.second, group }));
        expect(chunk.keep()).toEqual(pattern(10, seed));
        held.push(chunk);
      }
      held.sort(() => Math.random() - 0.5);
      for (const chunk of held) chunk.release();
      const data = pattern(1 + (round % 80), round);
      await ring.run(send({ fd: ends.first, buffer: data }));
      const got: Uint8Array[] = [];
      for (let bytes = 0; bytes < data.length; ) {
        using bundle = await ring.run(recv({ fd: ends.second, group, bundle: true }));
        got.push(bundle.keep());
        bytes += bundle.length;
      }
      expect(Buffer.concat(got)).toEqual(Buffer.from(data));
      expectAllBack(group, 8);
    }
  });
});

describe("a group that is consumed incrementally", () => {
  incremental("is filled on where the last receive stopped", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 2, size: 12, incremental: true });
    const chunks: HeldChunk[] = [];
    for (const word of ["one", "two", "three", "four"]) {
      await ring.run(send({ fd: ends.first, buffer: bytesOf(word) }));
      chunks.push(await ring.run(recv({ fd: ends.second, group })));
    }
    // "three" finds six bytes left and fits; "four" finds one.
    expect(chunks.map(({ bytes }) => text(bytes))).toEqual(["one", "two", "three", "f"]);
    expect(chunks.slice(1).every(({ bytes }, i) => bytes.byteOffset === chunks[i]!.bytes.byteOffset + chunks[i]!.bytes.length)).toBe(true);
    expect([group.held, group.free]).toEqual([1, 1]);
    for (const chunk of chunks.slice(1)) chunk.release();
    expect([group.held, group.free]).toEqual([1, 1]); // "one" is still looked at
    chunks[0]!.release();
    expectAllBack(group, 2);
    using rest = await ring.run(recv({ fd: ends.second, group }));
    expect(text(rest.bytes)).toBe("our");
  });

  incremental("gives nothing back before the kernel has done with it", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 1, size: 1000, incremental: true });
    let total = 0;
    for (let i = 0; i < 300; i++) {
      const data = pattern((i % 90) + 1, i);
      await ring.run(send({ fd: ends.first, buffer: data }));
      const got: Uint8Array[] = [];
      for (let bytes = 0; bytes < data.length; ) {
        using chunk = await ring.run(recv({ fd: ends.second, group }));
        got.push(chunk.keep());
        bytes += chunk.bytes.length;
      }
      expect(Buffer.concat(got)).toEqual(Buffer.from(data));
      total += data.length;
      expectAllBack(group, 1);
    }
    expect(total).toBeGreaterThan(10_000); // the one buffer was filled many times
  });

  test("needs the option for minLeft, and a kernel that has it", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(() => ring.bufferGroup({ buffers: 2, size: 64, minLeft: 8 })).toThrow(/minLeft needs incremental/);
    expect(() => ring.bufferGroup({ buffers: 2, size: 64, incremental: true, minLeft: 65 })).toThrow(/minLeft is 65/);
    expect(() => ring.bufferGroup({ buffers: 2, size: 64, incremental: 1 as never })).toThrow(/incremental is 1/);
  });

  // Stable kernels got it as well: only the kernel itself can tell.
  incremental("leaves a rest alone that is smaller than minLeft, or says which kernel can", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    let group: BufferGroup;
    try {
      group = ring.bufferGroup({ buffers: 2, size: 64, incremental: true, minLeft: 32 });
    } catch (error) {
      expect((error as Error).message).toMatch(/EINVAL.*minLeft needs Linux 7.1/);
      expect(kernelAtLeast("7.1")).toBe(false);
      expect(ring.bufferGroup({ buffers: 2, size: 64 }).id).toBe(1); // nothing is left behind
      return;
    }
    await ring.run(send({ fd: ends.first, buffer: pattern(40) }));
    using one = await ring.run(recv({ fd: ends.second, group }));
    expect([one.bytes.length, group.free, group.kernelFree()]).toEqual([40, 1, 1]); // 24 are left: the buffer counts as full
    await ring.run(send({ fd: ends.first, buffer: pattern(30, 2) }));
    using two = await ring.run(recv({ fd: ends.second, group }));
    expect([two.bytes.length, group.free, group.kernelFree()]).toEqual([30, 1, 1]); // 34 are left
    expect(two.keep()).toEqual(pattern(30, 2));
    one.release();
    expect([group.free, group.kernelFree()]).toEqual([2, 2]);
  });
});

describe("a multishot receive with limits", () => {
  const limits = requires(kernelAtLeast("6.17"), "limits of multishot receives need Linux 6.17");

  limits("takes no more than the length at once, and the total in all", async () => {
    await using ring = await Ring.open({ entries: 32 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 64, size: 100 });
    await ring.run(send({ fd: ends.first, buffer: pattern(1000) }));
    const got: Uint8Array[] = [];
    for await (const chunk of ring.run(recvMultishot({ fd: ends.second, group, length: 30, total: 300 }))) {
      expect(chunk.bytes.length).toBeLessThanOrEqual(30);
      got.push(chunk.keep());
    }
    const whole = Buffer.concat(got);
    expect(whole.length).toBeGreaterThanOrEqual(300); // the kernel stops behind the receive that reaches it
    expect(whole.length).toBeLessThan(330);
    expect(whole).toEqual(Buffer.from(pattern(whole.length)));
    expectAllBack(group, 64);
  });

  limits("keeps its total over pauses and restarts", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 4 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 2, size: 10 });
    await ring.run(send({ fd: ends.first, buffer: pattern(1000) }));
    let total = 0;
    for await (const { bytes } of ring.run(recvMultishot({ fd: ends.second, group, total: 205 }))) total += bytes.length;
    expect(total).toBeGreaterThanOrEqual(205);
    expect(total).toBeLessThan(215);
    expectAllBack(group, 2);
  });

  test("checks them", async () => {
    await using ring = await Ring.open({ entries: 4 });
    using group = ring.bufferGroup({ buffers: 2, size: 10 });
    expect(await failure(ring.run(recvMultishot({ fd: 1, group, length: 0 })).next())).toMatchObject({
      message: expect.stringMatching(/length is 0/),
    });
    expect(await failure(ring.run(recvMultishot({ fd: 1, group, total: -1 })).next())).toMatchObject({
      message: expect.stringMatching(/total is -1/),
    });
    expect(await failure(ring.run(recvMultishot({ fd: 1, group, flags: 0x100 })).next())).toMatchObject({
      message: expect.stringMatching(/MSG_WAITALL/),
    });
  });
});

/** A generator of numbers that a failure can be repeated with. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) % below;
  };
}

const GROUPS: readonly [name: string, options: Partial<BufferGroupOptions>, bundle: boolean, since: string][] = [
  ["plain", {}, false, "6.0"],
  ["in memory of the kernel", { kernelMemory: true }, false, "6.4"],
  ["in bundles", {}, true, "6.10"],
  ["incremental", { incremental: true }, false, "6.12"],
  ["incremental, in bundles", { incremental: true }, true, "6.12"],
  ["incremental, in bundles, in memory of the kernel", { incremental: true, kernelMemory: true }, true, "6.12"],
];

/** Sends all of the data in pieces of random sizes, now and then with a break. */
async function sendInPieces(ring: Ring, fd: number, data: Uint8Array, below: (n: number) => number): Promise<void> {
  for (let at = 0; at < data.length; ) {
    const end = Math.min(data.length, at + 1 + below(3000));
    at += await ring.run(send({ fd, buffer: data.subarray(at, end) }));
    if (below(4) === 0) await Bun.sleep(0);
  }
}

const received = (fd: number, group: BufferGroup, bundle: boolean): MultishotOperation<Chunk | Bundle> =>
  recvMultishot({ fd, group, bundle } as RecvMultishotOptions);

/** Receives until all data has come, and compares it byte by byte. */
async function receiveAll(
  ring: Ring,
  operation: MultishotOperation<Chunk | Bundle>,
  data: Uint8Array,
  below: (n: number) => number,
): Promise<void> {
  let at = 0;
  for await (const item of ring.run(operation)) {
    for (const part of partsOf(item)) {
      if (Buffer.compare(part, data.subarray(at, at + part.length)) !== 0)
        throw new Error(`bytes differ between ${at} and ${at + part.length}`);
      at += part.length;
    }
    if (below(8) === 0) await Bun.sleep(0);
    if (at === data.length) return;
  }
  throw new Error(`the stream ended at ${at}`);
}

function groupOf(ring: Ring, options: Partial<BufferGroupOptions>, below: (n: number) => number): BufferGroup {
  return ring.bufferGroup({ buffers: 1 << below(6), size: 1 + below(below(2) === 0 ? 40 : 5000), ...options });
}

describe("no byte is lost and every buffer comes back", () => {
  for (const [name, options, bundle, since] of GROUPS) {
    const t = requires(kernelAtLeast(since), `needs Linux ${since}`);
    for (const seed of [1, 2, 3, 4]) {
      t(`over random sizes: ${name}, seed ${seed}`, async () => {
        const below = random(seed * 7919);
        await using ring = await Ring.open({ entries: 16, cqEntries: 16 << below(4) });
        using group = groupOf(ring, options, below);
        const pairs = Array.from({ length: 1 + below(3) }, () => socketPair());
        await Promise.all(
          pairs.map(async ({ first, second }, i) => {
            const data = pattern(20_000 + below(40_000), seed + i);
            await Promise.all([sendInPieces(ring, first, data, below), receiveAll(ring, received(second, group, bundle), data, below)]);
          }),
        );
        expectAllBack(group, group.options.buffers);
        for (const pair of pairs) pair[Symbol.dispose]();
      });

      t(`over random ends: ${name}, seed ${seed}`, async () => {
        const below = random(seed * 104729);
        await using ring = await Ring.open({ entries: 16, cqEntries: 16 << below(4) });
        using group = groupOf(ring, options, below);
        for (let round = 0; round < 40; round++) {
          using pair = socketPair();
          const abort = new AbortController();
          sys.write(pair.first, pattern(1 + below(20_000)));
          const iterator = ring.run(received(pair.second, group, bundle), { signal: abort.signal });
          const held: (HeldChunk | HeldBundle)[] = [];
          for (let step = below(5); step > 0; step--) await Promise.race([iterator.next(), Bun.sleep(2)]);
          if (below(2) === 0 && group.free > 0) sys.write(pair.first, pattern(1 + below(200)));
          if (below(3) === 0) {
            // One more that takes from the same group, and holds what it got for a while.
            const one = await ring.settle(recv({ fd: pair.second, group, bundle: false }), { signal: AbortSignal.timeout(5) });
            if (one.status === "fulfilled") held.push(one.value);
          }
          if (below(3) === 0) ring.raw.enter(0);
          if (below(2) === 0) abort.abort();
          await iterator.return?.();
          for (const one of held) one.release();
          expectAllBack(group, group.options.buffers);
        }
      });
    }
  }
});
