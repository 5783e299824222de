// file timeout: 600 s
/** Rings of every shape live and rest alike. What they do is in shape-behaviour.test.ts, with a disk in polled-rings.test.ts. */
import { describe, expect } from "bun:test";
import { nop, POLLIN, poll } from "uring-ublk";
import { type RingSyscalls, ringSyscalls, sys } from "uring-ublk/ffi";
import type { RawRing } from "uring-ublk/uring";
import { kernelAtLeast } from "../support/requires.ts";
import { offered, offeredThrough, openRaw, openRing, POLLED_SHAPES, PROVIDERS, SHAPES } from "./shapes.ts";
import { pipe } from "./support/descriptors.ts";

/** Whether NOPs complete with what they are told. */
const inject = kernelAtLeast("6.10");
const numbered = (result: number) => nop(inject ? { result } : {});

/** Fills the SQ again and again; expects every NOP to complete once. */
function rounds(raw: RawRing, count: number): void {
  let seen = 0;
  const slots = Array.from({ length: raw.record.sqEntries }, () => raw.allocate(() => seen++));
  for (let round = 1; round <= count; round++) {
    for (const slot of slots) raw.nop(slot);
    while (raw.inFlight > 0) {
      raw.enter(1);
      raw.reap();
    }
    expect(seen).toBe(round * slots.length);
  }
}

/** The machine's own calls, counting enters. */
function counting(): { syscalls: RingSyscalls; enters: () => number } {
  const real = ringSyscalls();
  let enters = 0;
  const enter: RingSyscalls["enter"] = (...args) => {
    enters++;
    return real.enter(...args);
  };
  return { syscalls: { ...real, enter }, enters: () => enters };
}

for (const named of [...SHAPES, ...POLLED_SHAPES]) {
  const test = offered(named);

  describe(`a ring, ${named.name}`, () => {
    test("completes many more NOPs than it has entries, each with its own result", async () => {
      await using ring = await openRing(named);
      const wanted = Array.from({ length: 300 }, (_, i) => i);
      const results = await Promise.all(wanted.map((i) => ring.run(numbered(i))));
      expect(results).toEqual(inject ? wanted : wanted.map(() => 0));
      expect(ring.inFlight).toBe(0);
    });

    test("runs one operation after the other without end", async () => {
      await using ring = await openRing(named);
      for (let i = 0; i < 100; i++) expect(await ring.run(nop())).toBe(0);
    });

    test("works through the raw layer alone", () => {
      using raw = openRaw(named);
      rounds(raw, 40);
    });

    test("can be opened and closed again and again", async () => {
      for (let i = 0; i < 6; i++) {
        await using ring = await openRing(named);
        expect(await ring.run(nop())).toBe(0);
      }
    });

    test("leaves the processor alone when nothing completes", async () => {
      const { syscalls, enters } = counting();
      await using ring = await openRing(named, { syscalls });
      using ends = pipe();
      await Promise.all(Array.from({ length: 50 }, () => ring.run(nop())));
      // With something in flight, where the ring takes something that waits, and with nothing.
      const waits = named.shape.iopoll ? [] : [ring.settle(poll({ fd: ends.first, events: POLLIN }))];
      for (let quiet = 0, before = -1; quiet < 2; before = enters()) {
        await Bun.sleep(10); // until it has settled down; a ring that spins never does, and the test's time is up
        if (enters() === before) quiet++;
      }
      sys.write(ends.second, new Uint8Array(1));
      await Promise.all(waits);
    });
  });
}

for (const provider of PROVIDERS) {
  describe(`through ${provider}`, () => {
    for (const named of [...SHAPES, ...POLLED_SHAPES]) {
      offeredThrough(named, provider)(`both layers complete NOPs: ${named.name}`, async () => {
        await using ring = await openRing(named, { syscalls: ringSyscalls(provider) });
        expect(ring.record.syscalls).toBe(provider);
        const wanted = Array.from({ length: 40 }, (_, i) => (inject ? i : 0));
        expect(await Promise.all(wanted.map((i) => ring.run(numbered(i))))).toEqual(wanted);
        using raw = openRaw(named, { provider });
        rounds(raw, 5);
      });
    }
  });
}
