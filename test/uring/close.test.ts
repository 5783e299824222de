import { describe, expect, test } from "bun:test";
import { type FixedBuffer, nop, openat, POLLIN, poll, Ring, read, recvMultishot, timeout, UringError } from "uring-ublk";
import { addressOf } from "uring-ublk/ffi";
import { pipe, socketPair } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

describe("closing a ring", () => {
  test("with nothing in flight is quick, and twice is fine", async () => {
    const ring = await Ring.open({ entries: 8 });
    await ring.run(nop());
    const first = ring.close();
    expect(ring.close()).toBe(first);
    await first;
    await ring.close();
    expect(ring.raw.closed).toBe(true);
    ring.raw.close();
  });

  test("cancels reads on an empty pipe, polls, timers and receives, and waits for each of them", async () => {
    const ring = await Ring.open({ entries: 32 });
    using ends = pipe();
    using sockets = socketPair();
    const group = ring.bufferGroup({ buffers: 4, size: 16 });
    const pending = [
      ring.settle(read({ fd: ends.first, buffer: new Uint8Array(1) })),
      ring.settle(poll({ fd: ends.first, events: POLLIN })),
      ring.settle(timeout({ ms: 60_000 })),
    ];
    const loop = (async () => {
      for await (const _ of ring.run(recvMultishot({ fd: sockets.second, group }))) throw new Error("nobody sent anything");
    })();
    await Bun.sleep(2);
    expect(ring.inFlight).toBe(4);
    await ring.close();
    for (const settled of await Promise.all(pending)) {
      expect(settled).toMatchObject({
        status: "cancelled",
        reason: { code: "ECANCELED", operation: "close" },
      });
    }
    expect(await failure(loop)).toBeInstanceOf(UringError);
    expect(ring.inFlight).toBe(0);
  });

  test("in the same tick as an operation still ends it", async () => {
    for (let i = 0; i < 20; i++) {
      const ring = await Ring.open({ entries: 8 });
      using ends = pipe();
      const reading = ring.settle(read({ fd: ends.first, buffer: new Uint8Array(1) }));
      const nops = Array.from({ length: 50 }, () => ring.settle(nop()));
      await ring.close();
      expect((await reading).status).toBe("cancelled");
      await Promise.all(nops);
    }
  });

  test("cancels what the raw layer has in flight", async () => {
    const ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const results: number[] = [];
    const buffer = new Uint8Array(new ArrayBuffer(8));
    for (let i = 0; i < 5; i++) {
      const slot = ring.raw.allocate((result) => results.push(result));
      ring.raw.read(slot, ends.first, addressOf(buffer), 8, -1, 0);
    }
    ring.kick();
    await Bun.sleep(1);
    await ring.close();
    expect(results).toEqual([-125, -125, -125, -125, -125]);
  });

  test("from the continuation of an operation works", async () => {
    const ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const reading = ring.settle(read({ fd: ends.first, buffer: new Uint8Array(1) }));
    await ring.run(timeout({ ms: 1 })).then(() => ring.close());
    expect((await reading).status).toBe("cancelled");
  });

  test("happens at the end of an `await using` scope, also when it is left by a throw", async () => {
    let ring: Ring | undefined;
    using ends = pipe();
    let reading: Promise<unknown> | undefined;
    const scope = async (): Promise<void> => {
      await using inner = await Ring.open({ entries: 8 });
      ring = inner;
      reading = inner.settle(read({ fd: ends.first, buffer: new Uint8Array(1) }));
      throw new Error("out");
    };
    await expect(scope()).rejects.toThrow("out");
    expect(ring?.raw.closed).toBe(true);
    expect(await reading).toMatchObject({ status: "cancelled" });
  });

  test("goes on while its own event loop does other things", async () => {
    const ring = await Ring.open({ entries: 64 });
    using ends = pipe();
    for (let i = 0; i < 100; i++) void ring.settle(read({ fd: ends.first, buffer: new Uint8Array(1) }));
    await Bun.sleep(1);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await ring.close();
    await Bun.sleep(5);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
  });
});

describe("a closed ring", () => {
  test("refuses every use with a typed error", async () => {
    const ring = await Ring.open({ entries: 8, fixedBuffers: 1, fixedFiles: 1 });
    await ring.close();
    const closed = { name: "TypeError", message: expect.stringContaining("the ring is closed") };
    expect(await failure(ring.run(nop()))).toMatchObject(closed);
    expect(await failure(ring.run(openat({ path: "/dev/null" })))).toMatchObject(closed);
    expect(await ring.settle(nop())).toMatchObject({ status: "failed", reason: closed });
    const loop = async (): Promise<void> => {
      for await (const _ of ring.run(recvMultishot({ fd: 0, group: { id: 0 } as never }))) throw new Error("it runs");
    };
    expect(await failure(loop())).toMatchObject(closed);
    for (const use of [
      () => ring.fixedBuffer(4096),
      () => ring.bufferGroup({ buffers: 2, size: 16 }),
      () => ring.raw.nop(0),
      () => ring.raw.enter(0),
      () => ring.raw.register.updateFiles(0, [0]),
      () => ring.raw.register.enable(),
    ]) {
      expect(use).toThrow(/the ring is closed/);
    }
    expect(ring.raw.reap()).toBe(0);
    ring.kick();
  });

  test("has given its memory back: late views read nothing, and nothing crashes", async () => {
    const ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
    const buffer: FixedBuffer & { bytes: Uint8Array } = ring.fixedBuffer(4096);
    const { words } = ring.raw;
    buffer.bytes[0] = 1;
    await ring.close();
    expect(buffer.bytes.length).toBe(0);
    expect(buffer.bytes[0]).toBeUndefined();
    expect(words.length).toBe(0);
    words[0] = 5;
    expect(() => new DataView(words.buffer).getInt8(0)).toThrow();
  });

  test("lets a group of buffers that outlives it be disposed", async () => {
    const ring = await Ring.open({ entries: 8 });
    const group = ring.bufferGroup({ buffers: 2, size: 16 });
    await ring.close();
    group[Symbol.dispose]();
    group[Symbol.dispose]();
  });
});
