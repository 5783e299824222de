import { describe, expect, test } from "bun:test";
import { nop, type Operation, POLLIN, poll, Ring, read, timeout, write } from "uring-ublk";
import { Arena, sys } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";
import { memoryFile, pattern, pipe } from "./support/descriptors.ts";

describe("a ring that is full", () => {
  test("runs thousands of operations through 8 entries, and loses none", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(4096));
    const buffers = Array.from({ length: 5000 }, () => new Uint8Array(4));
    await Promise.all(buffers.map((buffer, i) => ring.run(read({ fd: file.first, buffer, offset: i % 4000 }))));
    const wrong = buffers.findIndex((buffer, i) => Buffer.compare(buffer, pattern(4096).subarray(i % 4000, (i % 4000) + 4)) !== 0);
    expect(wrong).toBe(-1);
  });

  test("never has more in flight than the CQ can take", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 8 });
    using ends = pipe();
    const reads = Array.from({ length: 100 }, () => ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) })));
    let most = 0;
    for (let i = 0; i < 100; i++) {
      most = Math.max(most, ring.raw.inFlight);
      sys.write(ends.second, new Uint8Array(1));
      if (i % 7 === 0) await Bun.sleep(0);
    }
    expect(await Promise.all(reads)).toEqual(reads.map(() => 1));
    expect(most).toBeLessThanOrEqual(8);
    expect(most).toBeGreaterThanOrEqual(7);
  });

  test("starts what waits in the order it was given", async () => {
    await using ring = await Ring.open({ entries: 2 });
    using file = memoryFile();
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        ring.run(write({ fd: file.first, buffer: Uint8Array.of(i), offset: i })).then(() => order.push(i)),
      ),
    );
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });

  test("lets an operation through that waits behind operations of the raw layer", async () => {
    await using ring = await Ring.open({ entries: 2 });
    using ends = pipe();
    using memory = Arena.allocate(8); // the collector may take an array that only the kernel knows
    let rawDone = 0;
    const slots = Array.from({ length: 4 }, () =>
      ring.raw.allocate((_result, _flags, slot) => {
        rawDone++;
        ring.raw.release(slot);
      }),
    );
    for (const slot of slots) ring.raw.read(slot, ends.first, memory.address, 1, -1, 0);
    ring.kick();
    const waiting = ring.run(nop());
    await Bun.sleep(2);
    expect(rawDone).toBe(0);
    for (let i = 0; i < 4; i++) sys.write(ends.second, new Uint8Array(1));
    expect(await waiting).toBe(0);
    while (rawDone < 4) await Bun.sleep(0);
  });

  test("aborts an operation that still waits for room, without a CQE", async () => {
    await using ring = await Ring.open({ entries: 1 });
    using ends = pipe();
    const ahead = Array.from({ length: 2 }, () => ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) })));
    const abort = new AbortController();
    const waiting = ring.run(nop(), { signal: abort.signal });
    const behind = ring.run(nop());
    abort.abort(new Error("no longer wanted"));
    await expect(waiting).rejects.toThrow("no longer wanted");
    sys.write(ends.second, new Uint8Array(2));
    await Promise.all(ahead);
    expect(await behind).toBe(0);
  });

  test("cancels everything at once although there are few free slots", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const abort = new AbortController();
    const outcomes = Array.from({ length: 500 }, () =>
      ring.settle(read({ fd: ends.first, buffer: new Uint8Array(1) }), { signal: abort.signal }),
    );
    await Bun.sleep(2);
    abort.abort(new Error("all of them"));
    for (const outcome of await Promise.all(outcomes))
      expect(outcome).toMatchObject({ status: "cancelled", reason: { message: "all of them" } });
    expect(ring.raw.inFlight).toBeLessThanOrEqual(2); // at most a cancel
    expect(await ring.run(nop())).toBe(0);
  });

  test("takes a mixture of fast and slow operations", async () => {
    await using ring = await Ring.open({ entries: 4 });
    using ends = pipe();
    const kinds: (() => Operation<unknown>)[] = [() => nop(), () => timeout({ ms: 1 }), () => poll({ fd: ends.first, events: POLLIN })];
    const all = Array.from({ length: 300 }, (_, i) => ring.run(kinds[i % 3]!()));
    setTimeout(() => sys.write(ends.second, new Uint8Array(1)), 5);
    expect((await Promise.all(all)).length).toBe(300);
  });
});

describe("the raw layer when it is full", () => {
  test("submits to make room in the SQ, and runs handlers for what completes", () => {
    using raw = new RawRing({ entries: 4, cqEntries: 256 });
    let done = 0;
    const slots = Array.from({ length: 200 }, () => raw.allocate(() => done++));
    for (const slot of slots) raw.nop(slot);
    expect(raw.queued).toBeLessThanOrEqual(4);
    while (raw.inFlight > 0) {
      raw.enter(1);
      raw.reap();
    }
    expect(done).toBe(200);
  });

  test("lets a handler queue more than fits", () => {
    using raw = new RawRing({ entries: 4, cqEntries: 8 }, { slots: 64 });
    let done = 0;
    const more = Array.from({ length: 60 }, () => raw.allocate(() => done++));
    const first = raw.allocate(() => {
      for (const slot of more) raw.nop(slot); // far more than SQ or CQ hold: the kernel keeps the overflow
    });
    raw.nop(first);
    while (raw.inFlight > 0) {
      raw.enter(1);
      raw.reap();
    }
    expect(done).toBe(60);
    expect(raw.failure).toBeUndefined();
  });

  test("keeps completions that overflow the CQ", () => {
    using raw = new RawRing({ entries: 8, cqEntries: 8 }, { slots: 100 });
    const seen = new Set<number>();
    const slots = Array.from({ length: 100 }, () => raw.allocate((_r, _f, slot) => seen.add(slot)));
    for (const [i, slot] of slots.entries()) {
      raw.nop(slot);
      if (i % 8 === 7) raw.enter(0); // submit without reaping
    }
    for (let i = 0; raw.inFlight > 0 && i < 1000; i++) {
      raw.enter(1);
      raw.reap();
    }
    expect(seen.size).toBe(100);
  });

  test("says so when all slots are taken", () => {
    using raw = new RawRing({ entries: 2 });
    for (let i = 0; i < 4; i++) raw.allocate(() => {});
    expect(() => raw.allocate(() => {})).toThrow(/all 4 slots/);
  });

  test("takes permanent SQEs and ordinary ones on the same queue, over many rounds", () => {
    for (const shape of [{}, { sqpoll: { idleMs: 20 } }]) {
      using raw = new RawRing({ entries: 8, sqArray: true, cqEntries: 64, ...shape }, { templates: 4 });
      let templates = 0;
      let ordinary = 0;
      raw.allocateTemplates({ completed: () => void templates++ });
      const slots = Array.from({ length: 20 }, () => raw.allocate(() => ordinary++));
      for (let slot = 0; slot < 4; slot++) {
        raw.words.fill(0, slot << 4, (slot + 1) << 4);
        raw.words[(slot << 4) + 1] = -1;
        raw.words[(slot << 4) + 8] = slot;
      }
      for (let round = 1; round <= 50; round++) {
        for (let slot = 0; slot < 4; slot++) {
          raw.armTemplate(slot);
          for (let i = 0; i < 5; i++) raw.nop(slots[slot * 5 + i]!); // five times the room there is
        }
        while (raw.inFlight > 0) {
          raw.enter(1);
          raw.reap();
        }
        expect([templates, ordinary]).toEqual([round * 4, round * 20]);
      }
      // A kernel thread says what it has taken a little after what it has completed.
      for (const until = performance.now() + 1000; raw.queued > 0 && performance.now() < until; );
      expect(raw.queued).toBe(0);
      expect(raw.sqRoom).toBe(4);
    }
  });
});
