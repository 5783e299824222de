/**
 * A test's `expect().rejects` runs an event loop inside whatever the event loop was doing. What that turn still had to do (immediates,
 * descriptors found ready) waits until the inner loop ends, or is forgotten by Bun: rings must go on all the same.
 */
import { expect, test } from "bun:test";
import { nop, Ring, timeout } from "uring-ublk/uring";

const RINGS = 8;

async function openRings(stack: AsyncDisposableStack): Promise<Ring[]> {
  const opened = await Promise.all(Array.from({ length: RINGS }, () => Ring.open({ entries: 8 })));
  return opened.map((ring) => stack.use(ring));
}

/** Runs an event loop of its own until `work` is done. */
async function nested(work: () => Promise<unknown>): Promise<void> {
  const refused = async (): Promise<never> => {
    await work();
    throw new Error("done");
  };
  await expect(refused()).rejects.toThrow("done");
}

async function nops(ring: Ring, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await ring.run(nop());
}

test("rings go on while one of them waits in a nested event loop for the others", async () => {
  await using stack = new AsyncDisposableStack();
  const rings = await openRings(stack);
  for (let round = 0; round < 3; round++) {
    const all = rings.map((ring) => nops(ring, 40));
    await nops(rings[0]!, 20);
    await nested(() => Promise.all(all.slice(1)));
    await all[0];
  }
}, 30_000);

test("a wake-up that a nested event loop has swallowed does not stay lost", async () => {
  await using stack = new AsyncDisposableStack();
  const rings = await openRings(stack);
  const ticks = rings.map((ring) => ring.run(timeout({ ms: 20 })));
  await new Promise(setImmediate); // they are on their way
  Bun.sleepSync(50); // and all done when the event loop looks: one turn has them all
  await Promise.race(ticks);
  await nested(() => Bun.sleep(50));
  await Promise.all(ticks);
  // Found by the look every 500 ms alone, each of these rounds would take as long as that.
  const started = performance.now();
  for (let round = 0; round < 40; round++) await Promise.all(rings.map((ring) => ring.run(timeout({ ms: 1 }))));
  expect(performance.now() - started).toBeLessThan(10_000);
}, 60_000);
