import { describe, expect, test } from "bun:test";
import { nop, POLLIN, poll, Ring, timeout, UringError } from "uring-ublk";
import { type RingSyscalls, ringSyscalls, sys } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";
import { pipe } from "./support/descriptors.ts";

const EINTR = -4;
const EAGAIN = -11;
const EBUSY = -16;

/** System calls whose enter fails in a way now and then, before it does anything. */
function stumbling(errno: number, every: number): RingSyscalls {
  const real = ringSyscalls();
  let calls = 0;
  return {
    ...real,
    enter: (...args) => (++calls % every === 0 ? errno : real.enter(...args)),
  };
}

for (const [name, errno] of Object.entries({ EINTR, EAGAIN, EBUSY })) {
  describe(`an enter that answers ${name} now and then`, () => {
    test("costs the described layer nothing but time", async () => {
      await using ring = await Ring.open({ entries: 4, syscalls: stumbling(errno, 2) });
      using ends = pipe();
      expect(await Promise.all(Array.from({ length: 200 }, () => ring.run(nop())))).toEqual(Array.from({ length: 200 }, () => 0));
      for (let i = 0; i < 50; i++) await ring.run(nop());
      const polling = ring.run(poll({ fd: ends.first, events: POLLIN }));
      await ring.run(timeout({ ms: 2 }));
      sys.write(ends.second, new Uint8Array(1));
      expect(await polling).toBe(POLLIN);
    });

    test("costs the raw layer nothing but another enter", () => {
      using raw = new RawRing({ entries: 4, cqEntries: 64 }, { syscalls: stumbling(errno, 2) });
      let done = 0;
      const slots = Array.from({ length: 50 }, () => raw.allocate(() => done++));
      for (const slot of slots) raw.nop(slot); // more than the SQ holds: room is made by entering
      while (raw.inFlight > 0) {
        raw.enter(1);
        raw.reap();
      }
      expect(done).toBe(50);
      expect(raw.failure).toBeUndefined();
    });
  });
}

describe("an enter that never takes anything", () => {
  test("is given up by the raw layer with a remedy, and nothing is lost", () => {
    let blocked = true;
    const real = ringSyscalls();
    const syscalls: RingSyscalls = { ...real, enter: (...args) => (blocked ? EBUSY : real.enter(...args)) };
    using raw = new RawRing({ entries: 2 }, { syscalls });
    let done = 0;
    const slots = Array.from({ length: 3 }, () => raw.allocate(() => done++));
    raw.nop(slots[0]!);
    raw.nop(slots[1]!);
    expect(() => raw.nop(slots[2]!)).toThrow(/EBUSY.*reap completions first/);
    expect(raw.inFlightAt(slots[2]!)).toBe(false);
    blocked = false;
    raw.nop(slots[2]!);
    while (raw.inFlight > 0) {
      raw.enter(1);
      raw.reap();
    }
    expect(done).toBe(3);
  });
});

describe("an enter that can never work again", () => {
  test("fails the ring, and rejects what is pending with the kernel's reason", async () => {
    let broken = false;
    const real = ringSyscalls();
    const syscalls: RingSyscalls = { ...real, enter: (...args) => (broken ? -130 : real.enter(...args)) }; // EOWNERDEAD
    const ring = await Ring.open({ entries: 4, syscalls });
    using ends = pipe();
    const pending = ring.settle(poll({ fd: ends.first, events: POLLIN }));
    await ring.run(nop());
    broken = true;
    const after = ring.settle(nop());
    const [first, second] = [await pending, await after];
    if (first.status !== "failed" || second.status !== "failed") throw new Error("nothing was rejected");
    expect(first.reason).toBe(second.reason);
    expect(first.reason).toMatchObject({
      code: "EOWNERDEAD",
      operation: "enter",
      hint: expect.stringContaining("SQPOLL"),
    });
    const last = await ring.settle(nop());
    expect(last.status === "failed" && last.reason).toBeInstanceOf(UringError);
    await ring.close();
  });
});
