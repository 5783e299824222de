import { describe, expect, test } from "bun:test";
import { type Chunk, Ring, recvMultishot, send } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { pattern, SOCK_DGRAM, socketPair } from "./support/descriptors.ts";
import { bytesOf, failure, text } from "./support/network.ts";

const DONE = { value: undefined, done: true } as const;

/** Waits until a condition holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(0);
}

describe("the iteration of a multishot operation", () => {
  test("starts with the first step, and not before", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 2, size: 64 });
    const iterator = ring.run(recvMultishot({ fd: ends.second, group }));
    expect(ring.inFlight).toBe(0);
    expect(await iterator.return!()).toEqual(DONE);
    expect(await iterator.next()).toEqual(DONE);
  });

  test("can be left twice, from two places at once", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 2, size: 64 });
    const iterator = ring.run(recvMultishot({ fd: ends.second, group }));
    const waiting = [iterator.next(), iterator.next()];
    await Bun.sleep(1);
    expect(await Promise.all([iterator.return!(), iterator.return!(), ...waiting])).toEqual([DONE, DONE, DONE, DONE]);
    expect(ring.raw.inFlight).toBe(0);
    expect(await iterator.return!()).toEqual(DONE);
  });

  test("is left before there was room for it in the ring", async () => {
    await using ring = await Ring.open({ entries: 2, cqEntries: 2 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 8, size: 64 });
    const first = [ring.run(recvMultishot({ fd: ends.second, group })), ring.run(recvMultishot({ fd: ends.second, group }))];
    const steps = first.map((iterator) => iterator.next());
    const third = ring.run(recvMultishot({ fd: ends.second, group }));
    const step = third.next();
    expect(await third.return!()).toEqual(DONE);
    expect(await step).toEqual(DONE);
    for (const iterator of first) await iterator.return!();
    expect(await Promise.all(steps)).toEqual([DONE, DONE]);
  });

  test("tells its failure once, and is over then", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.bufferGroup({ buffers: 2, size: 64 });
    const iterator = ring.run(recvMultishot({ fd: 1_000_000, group }));
    const steps = [iterator.next(), iterator.next()];
    expect(await failure(steps[0]!)).toMatchObject({ code: "EBADF" });
    expect(await steps[1]!).toEqual(DONE);
    expect(await iterator.next()).toEqual(DONE);
  });

  test("ends with the signal, before it begins, while it waits, and while it is paused", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair(SOCK_DGRAM);
    using group = ring.bufferGroup({ buffers: 1, size: 64 });
    const reason = new Error("enough");
    expect(await failure(ring.run(recvMultishot({ fd: ends.second, group }), { signal: AbortSignal.abort(reason) }).next())).toBe(reason);
    for (const paused of [false, true]) {
      const abort = new AbortController();
      const iterator = ring.run(recvMultishot({ fd: ends.second, group }), { signal: abort.signal });
      if (paused) {
        for (const word of ["one", "two"]) sys.write(ends.first, bytesOf(word));
        await iterator.next(); // it holds the only buffer
      }
      const step = paused ? undefined : failure(iterator.next());
      await Bun.sleep(1);
      abort.abort(reason);
      expect(await (step ?? failure(iterator.next()))).toBe(reason);
      expect([group.held, ring.inFlight]).toEqual([0, 0]);
    }
  });

  test("survives a group that is disposed too early, with an error", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair(SOCK_DGRAM);
    const group = ring.bufferGroup({ buffers: 4, size: 64 });
    const iterator = ring.run(recvMultishot({ fd: ends.second, group }));
    sys.write(ends.first, bytesOf("one"));
    const { value } = await iterator.next();
    expect(text((value as Chunk).bytes)).toBe("one");
    const late = iterator.next();
    sys.write(ends.first, bytesOf("two"));
    ring.raw.enter(0); // the kernel has filled a buffer; nobody has seen it
    group[Symbol.dispose]();
    expect(await failure(late)).toMatchObject({ name: "TypeError", message: expect.stringMatching(/disposed/) });
    await until(() => ring.raw.inFlight === 0);
    expect(await iterator.next()).toEqual(DONE);
  });

  test("ends with the ring, wherever it is", async () => {
    for (const where of ["waiting", "with items", "paused"] as const) {
      const ring = await Ring.open({ entries: 8 });
      using ends = socketPair(SOCK_DGRAM);
      const group = ring.bufferGroup({ buffers: 2, size: 64 });
      const iterator = ring.run(recvMultishot({ fd: ends.second, group }));
      if (where !== "waiting") {
        for (let i = 0; i < (where === "paused" ? 5 : 2); i++) sys.write(ends.first, bytesOf(`${i}`));
        await iterator.next();
      }
      const step = where === "waiting" ? failure(iterator.next()) : undefined;
      await Bun.sleep(1);
      await ring.close();
      if (where !== "waiting") await iterator.next(); // what had arrived
      expect(await (step ?? failure(iterator.next()))).toMatchObject({ message: expect.stringMatching(/closed/) });
    }
  });

  test("is worth nothing to whoever holds on to its bytes", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 1, size: 64 });
    const kept: Uint8Array[] = [];
    for (let i = 0; i < 3; i++) {
      await ring.run(send({ fd: ends.first, buffer: pattern(10, i) }));
      for await (const chunk of ring.run(recvMultishot({ fd: ends.second, group }))) {
        kept.push(chunk.keep());
        break;
      }
    }
    expect(kept).toEqual([0, 1, 2].map((i) => pattern(10, i)));
  });
});
