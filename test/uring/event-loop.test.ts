import { describe, expect, test } from "bun:test";
import { nop, Ring, read, timeout } from "uring-ublk";
import { inVm, requires } from "../support/requires.ts";
import { memoryFile, pattern } from "./support/descriptors.ts";

const BUSY_MS = 400;
const measured = requires(!inVm(), "measures shares of a processor, which an emulated machine has not got to itself");

/** Counts the ticks of a 10 ms interval while something else goes on. */
async function ticksDuring(work: (until: number) => Promise<void>): Promise<number> {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  await work(performance.now() + BUSY_MS);
  clearInterval(timer);
  return ticks;
}

/** A busy thread that lets the event loop turn every millisecond: what this machine can do just now. */
function politeWork(until: number): Promise<void> {
  return new Promise((resolve) => {
    const slice = (): void => {
      const end = performance.now() + 1;
      while (performance.now() < end);
      if (performance.now() < until) setImmediate(slice);
      else resolve();
    };
    slice();
  });
}

/** At least half of the ticks there would be without the ring. Machines stall: the best of a few runs counts. */
async function expectTicks(work: (until: number) => Promise<void>): Promise<void> {
  const shares: number[] = [];
  for (let run = 0; run < 5; run++) {
    const possible = await ticksDuring(politeWork);
    const ticks = await ticksDuring(work);
    shares.push(ticks / Math.max(possible, 1));
    if (shares.at(-1)! >= 0.5) return;
  }
  expect(shares).toContain(expect.closeTo(1, 0)); // shows what they were
}

describe("the event loop of a busy thread", () => {
  measured(
    "ticks while NOPs are awaited one after the other",
    async () => {
      await using ring = await Ring.open({ entries: 8 });
      await expectTicks(async (until) => {
        while (performance.now() < until) await ring.run(nop());
      });
    },
    30_000,
  );

  measured(
    "ticks while many loops keep the ring full",
    async () => {
      await using ring = await Ring.open({ entries: 32 });
      using file = memoryFile(pattern(4096));
      await expectTicks(async (until) => {
        const loop = async (_: unknown, n: number): Promise<void> => {
          const buffer = new Uint8Array(512);
          while (performance.now() < until) await ring.run(read({ fd: file.first, buffer, offset: n }));
        };
        await Promise.all(Array.from({ length: 64 }, loop));
      });
    },
    30_000,
  );

  measured(
    "ticks while two rings compete",
    async () => {
      await using one = await Ring.open({ entries: 8 });
      await using two = await Ring.open({ entries: 8 });
      await expectTicks(async (until) => {
        const loop = async (ring: Ring): Promise<void> => {
          while (performance.now() < until) await ring.run(nop());
        };
        await Promise.all([loop(one), loop(two)]);
      });
    },
    30_000,
  );

  test("serves fetch and immediates while the ring is busy", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using server = Bun.serve({ port: 0, fetch: () => new Response("here") });
    let busy = true;
    const work = (async () => {
      while (busy) await ring.run(nop());
    })();
    for (let i = 0; i < 20; i++) expect(await (await fetch(server.url)).text()).toBe("here");
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    busy = false;
    await work;
  });

  test("is woken by what completes while it sleeps, again and again", async () => {
    await using ring = await Ring.open({ entries: 8 });
    for (let i = 0; i < 100; i++) {
      await ring.run(timeout({ ms: 1 }));
      // The driver lets go of the event loop in some of these pauses and takes it up again afterwards.
      if (i % 3 === 0) await Bun.sleep(1);
      if (i % 3 === 1) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(Array.from({ length: 200 }, (_, i) => ring.run(timeout({ ms: i / 10 }))));
  });

  test("may be run by the continuation of an operation, and the ring goes on in there", async () => {
    await using ring = await Ring.open({ entries: 8 });
    for (let i = 0; i < 3; i++) {
      await ring.run(timeout({ ms: 1 }));
      // Bun's expect(...).resolves runs an event loop of its own until the promise is settled.
      expect(ring.run(timeout({ ms: 2 }))).resolves.toBe("elapsed");
      expect(ring.run(nop())).resolves.toBe(0);
    }
    expect(await ring.run(nop())).toBe(0);
  });

  measured(
    "is not blocked by an operation that takes long",
    async () => {
      await using ring = await Ring.open({ entries: 8 });
      await expectTicks(async () => {
        await ring.run(timeout({ ms: BUSY_MS }));
      });
    },
    30_000,
  );
});
