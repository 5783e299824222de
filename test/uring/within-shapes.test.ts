/** A time limit holds on every ring: however its queues look, how little room they have, and whoever submits. */
import { describe, expect } from "bun:test";
import { nop, nop128, POLLIN, poll, type Ring, type Settled, TimeLimitError, timeout, within } from "uring-ublk";
import { type NamedShape, offered, openRing, SHAPES } from "./shapes.ts";
import { pipe } from "./support/descriptors.ts";

/** Nothing of what ran is left in the ring. The kernel's own thread says last which SQEs it has taken, behind their CQEs. */
async function expectEmpty(ring: Ring): Promise<void> {
  if (ring.raw.record.flagNames.includes("SQPOLL")) await submitted(ring);
  expect([ring.inFlight, ring.raw.inFlight, ring.raw.queued]).toEqual([0, 0, 0]);
}

/** The kernel has all that the ring has room for. */
async function submitted(ring: Ring): Promise<void> {
  while (ring.raw.queued > 0) await Bun.sleep(0);
}

const limited = (settled: Settled<unknown>): boolean => settled.status === "failed" && settled.reason instanceof TimeLimitError;

/** NOPs, of both sizes where the ring has them, so that links meet the end of the queue at every position. */
function limitedNops(ring: Ring, { shape }: NamedShape, count: number): Promise<number>[] {
  const operation = (i: number) => (shape.sqe === "mixed" && i % 3 === 0 ? nop128() : nop());
  return Array.from({ length: count }, (_, i) => ring.run(within(operation(i), 60_000)));
}

for (const named of SHAPES) {
  const test = offered(named);

  describe(`a time limit on a ring, ${named.name}`, () => {
    test("does not matter to what is in time, around the queue's end and with more than fits", async () => {
      await using ring = await openRing(named);
      for (let shift = 0; shift < 3; shift++) {
        const results = await Promise.all([ring.run(nop()), ...limitedNops(ring, named, 100)]);
        expect(results.every((result) => result === 0)).toBe(true);
        await expectEmpty(ring);
      }
    });

    test("ends what is late, and only that", async () => {
      await using ring = await openRing(named);
      using ends = pipe();
      const endless = poll({ fd: ends.first, events: POLLIN });
      const waiting = Array.from({ length: 20 }, () => ring.settle(within(endless, 5)));
      const results = await Promise.all(Array.from({ length: 20 }, () => ring.run(nop())));
      expect(results.every((result) => result === 0)).toBe(true);
      const settled = await Promise.all(waiting);
      expect(settled.map(limited)).toEqual(settled.map(() => true));
      await expectEmpty(ring);
    });

    test("races with the operation, and each promise settles once", async () => {
      await using ring = await openRing(named);
      let elapsed = 0;
      let late = 0;
      const worker = async (seed: number): Promise<void> => {
        for (let i = 0; i < 60; i++) {
          const ms = 0.05 + ((seed * 7 + i * 13) % 20) / 100;
          const settled = await ring.settle(within(timeout({ ms: 0.15 }), ms));
          if (settled.status === "fulfilled") {
            expect(settled.value).toBe("elapsed");
            elapsed++;
          } else {
            expect(settled.reason).toBeInstanceOf(TimeLimitError);
            late++;
          }
        }
      };
      await Promise.all(Array.from({ length: 5 }, (_, i) => worker(i)));
      expect(elapsed + late).toBe(300);
      for (let turn = 0; turn < 1000 && ring.raw.inFlight > 0; turn++) await Bun.sleep(1); // a cancel that crossed with what it was for
      await expectEmpty(ring);
    });

    test("leaves an abort and the ring's end as they are", async () => {
      const ring = await openRing(named);
      using ends = pipe();
      const endless = within(poll({ fd: ends.first, events: POLLIN }), 60_000);
      const reason = new Error("no longer wanted");
      const abort = new AbortController();
      const aborted = ring.settle(endless, { signal: abort.signal });
      await submitted(ring);
      abort.abort(reason);
      expect(await aborted).toEqual({ status: "cancelled", reason, code: "ECANCELED" });
      await expectEmpty(ring);
      const pending = Array.from({ length: 30 }, () => ring.settle(endless)); // some of them wait for room
      await submitted(ring);
      await ring.close();
      for (const one of pending)
        expect(await one).toMatchObject({ status: "cancelled", reason: { code: "ECANCELED", operation: "close" } });
      expect([ring.inFlight, ring.raw.inFlight]).toEqual([0, 0]);
    });
  });
}
