import { describe, expect } from "bun:test";
import { nop, Ring, timeout } from "uring-ublk";
import { RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";

const ETIME = -62;
const registered = requires(kernelAtLeast("6.13"), "registered waits need Linux 6.13");
const told = requires(kernelAtLeast("6.12"), "absolute waits and minimum waits need Linux 6.12");

const elapsed = (wait: () => unknown): number => {
  const started = Bun.nanoseconds();
  wait();
  return (Bun.nanoseconds() - started) / 1e6;
};

for (const registeredWaits of [false, true]) {
  const t = registeredWaits ? registered : told;
  describe(registeredWaits ? "a registered wait" : "a wait", () => {
    t("ends after its time, with and without a change of it", () => {
      using raw = new RawRing({ entries: 8 }, { registeredWaits });
      for (const ms of [3, 3, 8, 1]) {
        let result = 0;
        expect(
          elapsed(() => {
            result = raw.enter(1, ms * 1e6);
          }),
        ).toBeGreaterThanOrEqual(ms);
        expect(result).toBe(ETIME);
      }
    });

    t("ends with a completion, and then goes on without a limit", () => {
      using raw = new RawRing({ entries: 8 }, { registeredWaits });
      let done = 0;
      const slot = raw.allocate(() => done++);
      for (let i = 0; i < 3; i++) {
        raw.nop(slot);
        expect(raw.enter(1, 60e9)).toBe(1);
        raw.reap();
        raw.nop(slot);
        expect(raw.enterWith({ minComplete: 1 })).toBe(1);
        raw.reap();
        raw.nop(slot);
        expect(raw.enter(1)).toBe(1);
        raw.reap();
      }
      expect(done).toBe(9);
    });

    t("may be until a point in time, and for a minimum of completions", () => {
      using raw = new RawRing({ entries: 8 }, { registeredWaits });
      expect(raw.enterWith({ timeoutNs: 1, absolute: true })).toBe(ETIME); // long past
      const slot = raw.allocate(() => {});
      raw.nop(slot);
      // Two are asked for; after the minimum wait one is enough, long before the limit.
      expect(raw.enterWith({ minComplete: 2, timeoutNs: 60e9, minWaitUs: 2000 })).toBe(1);
      expect(raw.reap()).toBe(1);
      expect(raw.enter(1, 1e6)).toBe(ETIME);
    });

    t("is checked before the kernel is asked", () => {
      using raw = new RawRing({ entries: 8 }, { registeredWaits });
      expect(() => raw.enterWith({ absolute: true })).toThrow(/needs timeoutNs/);
      expect(() => raw.enterWith({ timeoutNs: -5 })).toThrow(RangeError);
      expect(() => raw.enterWith({ minWait: 5 } as never)).toThrow(/did you mean 'minWaitUs'/);
    });
  });
}

describe("a ring with registered waits", () => {
  registered("serves the described layer as any other", async () => {
    await using ring = await Ring.open({ entries: 8, registeredWaits: true });
    expect(await ring.run(nop())).toBe(0);
    expect(await ring.run(timeout({ ms: 3 }))).toBe("elapsed");
  });

  registered("may stay disabled, and is enabled by its owner", () => {
    using raw = new RawRing({ entries: 8, disabled: true }, { registeredWaits: true });
    expect(() => raw.enter(1, 1e6)).toThrow(/EBADFD/);
  });

  requires(kernelAtLeast("6.15"), "needs Linux 6.15")("does not count as waiting for I/O when told so", () => {
    using raw = new RawRing({ entries: 8 }, { registeredWaits: true });
    expect(raw.enterWith({ timeoutNs: 1e6, noIowait: true })).toBe(ETIME);
  });
});
