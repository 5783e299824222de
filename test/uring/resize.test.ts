// usual kernels: this machine's, and the newest
import { describe, expect } from "bun:test";
import { all, group, nop, type Operation, Ring, read, timeout } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { RawRing, type RingShape } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { mappings, memoryFile, pattern, pipe } from "./support/descriptors.ts";

const resizes = requires(kernelAtLeast("6.13"), "resizing needs Linux 6.13");

const SHAPES: readonly [name: string, shape: RingShape, since: string][] = [
  ["plain", {}, "6.13"],
  ["with an index array", { sqArray: true }, "6.13"],
  ["with SQEs of 128 bytes", { sqe: 128 }, "6.13"],
  ["with CQEs of 32 bytes", { cqe: 32 }, "6.13"],
  ["with CQEs of both sizes", { cqe: "mixed" }, "6.18"],
  ["with SQEs of both sizes", { sqe: "mixed" }, "6.19"],
  ["with SQEs and CQEs of both sizes", { sqe: "mixed", cqe: "mixed" }, "6.19"],
  ["with an SQ that starts over", { rewind: true }, "7.0"],
  ["in own memory", { ownMemory: true }, "6.13"],
  ["with a registered descriptor only", { ownMemory: true, registeredFdOnly: true }, "6.13"],
];

describe("a resized ring", () => {
  for (const [name, shape, since] of SHAPES) {
    requires(kernelAtLeast(since), `needs Linux ${since}`)(`${name} goes on, with operations in flight and queued`, () => {
      using raw = new RawRing({ entries: 4, taskrun: "defer", ...shape });
      using ends = pipe();
      const buffer = new Uint8Array(new ArrayBuffer(8));
      let read = 0;
      let nops = 0;
      const reading = raw.allocate((result) => {
        read = result;
      });
      raw.poll(reading, ends.first, 1);
      raw.enter(0);
      const before = mappings();
      for (const entries of [64, 2, 256, shape.sqe === "mixed" ? 4 : 1, 8]) {
        const slots = Array.from({ length: Math.min(raw.record.sqEntries, 4) }, () => raw.allocate(() => nops++));
        for (const slot of slots) raw.nop(slot); // queued, not submitted
        raw.resize({ entries });
        expect(raw.record).toMatchObject({ sqEntries: entries, cqEntries: Math.max(entries * 2, 2) });
        expect(nops).toBe(slots.length);
        // Several times around the new queues.
        for (let round = 0; round < 5 * entries; round++) {
          raw.nop(slots[0]!);
          raw.enter(1);
          raw.reap();
        }
        expect(nops).toBe(slots.length + 5 * entries);
        for (const slot of slots) raw.release(slot);
        nops = 0;
      }
      expect(raw.inFlight).toBe(1);
      sys.write(ends.second, buffer);
      while (read === 0) {
        raw.enter(1);
        raw.reap();
      }
      expect(read).toBe(1);
      expect(raw.failure).toBeUndefined();
      expect(mappings()).toBeLessThanOrEqual(before + 2);
    });
  }

  resizes("has room for as many operations as its new queues hold", () => {
    using raw = new RawRing({ entries: 2, taskrun: "defer" });
    raw.resize({ entries: 32, cqEntries: 128 });
    expect([raw.sqRoom, raw.freeSlots, raw.record.cqEntries]).toEqual([32, 128, 128]);
    const slots = Array.from({ length: 128 }, () => raw.allocate(() => {}));
    for (const slot of slots) raw.nop(slot);
    raw.enter(0);
    while (raw.inFlight > 0) raw.reap();
    raw.resize({ entries: 2 });
    expect(raw.freeSlots).toBe(0); // slots stay
    for (const slot of slots) raw.release(slot);
    expect(raw.freeSlots).toBe(128);
  });

  resizes("changes the CQ alone", () => {
    using raw = new RawRing({ entries: 8, taskrun: "defer" });
    raw.resize({ cqEntries: 64 });
    expect(raw.record).toMatchObject({ sqEntries: 8, cqEntries: 64 });
    raw.resize({ entries: 16 });
    expect(raw.record).toMatchObject({ sqEntries: 16, cqEntries: 32 });
  });

  resizes("of the described layer goes on under load", async () => {
    await using ring = await Ring.open({ entries: 4, taskrun: "defer" });
    using file = memoryFile(pattern(4096));
    const reads: Promise<number>[] = [];
    const long = ring.run(timeout({ ms: 60_000, completions: 200 }));
    for (const entries of [64, 4, 512, 16]) {
      for (let i = 0; i < 50; i++) reads.push(ring.run(read({ fd: file.first, buffer: new Uint8Array(16), offset: i })));
      await reads.at(-50);
      await ring.run(nop());
      ring.resize({ entries, cqEntries: Math.max(entries * 2, 64) });
      expect(ring.record.sqEntries).toBe(entries);
    }
    expect(await Promise.all(reads)).toEqual(new Array(200).fill(16));
    expect(await long).toBe("completions");
  });

  resizes("keeps room for the plans that have begun and those that wait, and prepared ones look anew", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 16, taskrun: "defer" });
    using ends = pipe();
    const reading = (): Operation<number> => read({ fd: ends.first, buffer: new Uint8Array(1) });
    const eight = all(...Array.from({ length: 8 }, () => nop()));
    const begun = ring.run(group(reading(), [eight]));
    await Bun.sleep(1);
    expect(() => ring.resize({ cqEntries: 4 })).toThrow(/cqEntries is 4.*and 8 operations are in flight, or of a plan/);
    const waits = ring.run(all(...Array.from({ length: 12 }, reading)));
    expect(() => ring.resize({ cqEntries: 8 })).toThrow(/12 operations/);
    expect(ring.record.cqEntries).toBe(16);
    sys.write(ends.second, new Uint8Array(13));
    await Promise.all([begun, waits]);
    const prepared = ring.prepare(eight);
    expect(await prepared.run()).toHaveLength(8);
    const half = ring.run(group(all(reading(), reading(), reading(), reading()), [eight]));
    await Bun.sleep(1);
    expect(() => ring.resize({ cqEntries: 4 })).toThrow(/8 operations/); // four are in flight, and room is kept for four more
    sys.write(ends.second, new Uint8Array(4));
    await half;
    ring.resize({ cqEntries: 4 });
    expect(() => prepared.start(() => {})).toThrow(/8 operations in flight at a time, and the ring's CQ 4 entries/);
    expect(await prepared.run().catch((error: Error) => error.name)).toBe("RangeError");
    ring.resize({ cqEntries: 5 }); // the kernel makes eight of it
    expect(await prepared.run()).toHaveLength(8);
  });

  resizes("is refused where it cannot be, with nothing changed", () => {
    using coop = new RawRing({ entries: 8, taskrun: "coop" });
    expect(() => coop.resize({ entries: 16 })).toThrow(/taskrun 'defer'/);
    using templates = new RawRing({ entries: 8, sqArray: true, taskrun: "defer" }, { templates: 2 });
    expect(() => templates.resize({ entries: 16 })).toThrow(/templates/);
    using raw = new RawRing({ entries: 8, taskrun: "defer" });
    expect(() => raw.resize({ entries: 0 })).toThrow(RangeError);
    expect(() => raw.resize({ entries: 65536 })).toThrow(/clamp/);
    expect(() => raw.resize({ entries: 16, cqEntries: 8 })).toThrow(/at least entries/);
    if (kernelAtLeast("6.19")) {
      using mixed = new RawRing({ entries: 8, taskrun: "defer", sqe: "mixed" });
      expect(() => mixed.resize({ entries: 1 })).toThrow(/sqe 'mixed' needs at least 2/);
    }
    expect(() => raw.resize({ entires: 16 } as never)).toThrow(/did you mean 'entries'/);
    using ends = pipe();
    for (let i = 0; i < 9; i++)
      raw.poll(
        raw.allocate(() => {}),
        ends.first,
        1,
      );
    raw.enter(0);
    expect(() => raw.resize({ entries: 4 })).toThrow(/9 operations are in flight/);
    expect(raw.record.sqEntries).toBe(8);
    raw.close();
    expect(() => raw.resize({ entries: 16 })).toThrow(/closed/);
  });

  resizes("is refused in the middle of a batch", () => {
    using raw = new RawRing({ entries: 8, taskrun: "defer" });
    let thrown: unknown;
    raw.nop(
      raw.allocate(() => {
        try {
          raw.resize({ entries: 16 });
        } catch (error) {
          thrown = error;
        }
      }),
    );
    raw.enter(1);
    raw.reap();
    expect(String(thrown)).toContain("a batch of completions is being handled");
  });

  resizes("empties the views of the old memory instead of leaving them dangling", () => {
    using raw = new RawRing({ entries: 8, taskrun: "defer" });
    const { words } = raw;
    raw.resize({ entries: 16 });
    expect(words.length).toBe(0);
    expect(raw.words.length).toBe(16 * 16);
  });

  resizes("takes the largest sizes with clamp", () => {
    using raw = new RawRing({ entries: 8, taskrun: "defer" });
    raw.resize({ entries: 100_000, clamp: true });
    expect(raw.record).toMatchObject({ sqEntries: 32768, cqEntries: 65536 });
  });
});
