/** What is lent to an operation is in use from before its SQE until after its last CQE, however it is run and however it ends. */
import { afterEach, expect, test } from "bun:test";
import { closeSync, writeSync } from "node:fs";
import { all, group, type Lender, nop, type Operation, type Part, Ring, type RingOptions, read, retry, within } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { modified } from "../../src/uring/operation.ts";

/** Notes which slots use what it lends, and what never may be. */
class Watched implements Lender {
  readonly slots = new Set<number>();
  readonly wrong: string[] = [];
  lent = 0;
  #ring: Ring;

  constructor(ring: Ring) {
    this.#ring = ring;
  }

  lend(ring: object, slot: number): void {
    if (ring !== this.#ring.raw) this.wrong.push("another ring");
    if (this.slots.has(slot)) this.wrong.push(`slot ${slot} is lent to already`);
    if (this.#ring.raw.inFlightAt(slot)) this.wrong.push(`slot ${slot} is in flight before it is lent to`);
    this.slots.add(slot);
    this.lent++;
  }

  giveBack(slot: number): void {
    if (!this.slots.delete(slot)) this.wrong.push(`slot ${slot} gives back what it has not`);
    if (this.#ring.raw.inFlightAt(slot)) this.wrong.push(`slot ${slot} is in flight`);
  }
}

const fds: number[] = [];
afterEach(() => {
  for (const fd of fds.splice(0)) closeSync(fd);
});

function pipe(): [from: number, to: number] {
  const ends = sys.pipe();
  fds.push(...ends);
  return ends;
}

async function onRing(options: RingOptions, body: (ring: Ring, lender: Watched) => Promise<void>): Promise<void> {
  await using ring = await Ring.open(options);
  const lender = new Watched(ring);
  await body(ring, lender);
  expect({ wrong: lender.wrong, inUse: [...lender.slots] }).toEqual({ wrong: [], inUse: [] });
}

/** As small as it can be: most operations wait for room. */
const ringFor = (way: string): RingOptions => (/link|plan/.test(way) ? { entries: 4, cqEntries: 4 } : { entries: 2, cqEntries: 2 });
const lentRead = (lender: Lender, fd: number, buffer = new Uint8Array(8)) => modified(read({ fd, buffer }), { lender });

const WAYS: Readonly<Record<string, (operation: ReturnType<typeof lentRead>) => Part<unknown, unknown>>> = {
  "by itself": (operation) => operation,
  exact: (operation) => operation.exact(),
  "with a link timeout": (operation) => within(operation, 60_000) as Operation<number>,
  "in a plan": (operation) => all(operation, nop()),
  "as a member, exact": (operation) => group(nop(), [operation.exact()]),
  "again and again": (operation) => retry(operation.exact(), { attempts: 3, delay: 0 }),
};

for (const [name, way] of Object.entries(WAYS)) {
  test(`more than a ring has room for, ${name}`, () =>
    onRing(ringFor(name), async (ring, lender) => {
      const [from, to] = pipe();
      const running = Array.from({ length: 9 }, () => ring.run(way(lentRead(lender, from))));
      await Bun.sleep(1);
      expect(lender.slots.size).toBeGreaterThan(0);
      for (let i = 0; i < 9; i++) writeSync(to, new Uint8Array(8));
      await Promise.all(running);
      expect(lender.lent).toBeGreaterThanOrEqual(9);
    }));

  test(`what fails, and what cannot be encoded, ${name}`, () =>
    onRing({ entries: 4, cqEntries: 4 }, async (ring, lender) => {
      const bad = [lentRead(lender, -1), modified(read({ fd: 0, buffer: new Uint8Array(8), ioprio: -1 }), { lender })];
      const outcomes = await Promise.allSettled([...bad, ...bad, ...bad].map((operation) => ring.run(way(operation))));
      expect(outcomes.map(({ status }) => status)).toEqual(Array(6).fill("rejected"));
    }));

  test(`what is aborted, ${name}`, () =>
    onRing(ringFor(name), async (ring, lender) => {
      const [from] = pipe();
      const signal = AbortSignal.timeout(20);
      const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => ring.run(way(lentRead(lender, from)), { signal })));
      expect(outcomes.map(({ status }) => status)).toEqual(Array(5).fill("rejected"));
      expect(lender.lent).toBeGreaterThan(0);
    }));
}

test("a prepared plan asks for it in every run", () =>
  onRing({ entries: 8 }, async (ring, lender) => {
    const [from, to] = pipe();
    const prepared = ring.prepare(all(lentRead(lender, from), nop()));
    for (let run = 1; run <= 5; run++) {
      writeSync(to, new Uint8Array(8));
      await prepared.run();
      expect({ lent: lender.lent, inUse: lender.slots.size }).toEqual({ lent: run, inUse: 0 });
    }
  }));
