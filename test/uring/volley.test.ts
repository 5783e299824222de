// file timeout: 900 s
/** Prepared plans that are started again: what goes well is only counted, and anything else is carried out as ever. */
import { describe, expect, test } from "bun:test";
import {
  all,
  chain,
  fsync,
  group,
  nop,
  type Part,
  type Prepared,
  type PrepareOptions,
  Ring,
  read,
  readFixed,
  recv,
  write,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { memoryFile, type Pair, pattern, socketPair } from "./support/descriptors.ts";
import { brief } from "./support/outcome.ts";
import { Random, SEED } from "./support/random.ts";
import { started } from "./support/started.ts";

type AnyPart = Part<unknown, unknown>;
type AnyPrepared = Prepared<unknown, unknown>;

const BYTES = 4;
const TRIALS = process.env.URING_UBLK_FULL === "1" ? 60 : 15;
const open = (): Promise<Ring> => Ring.open({ entries: 32 });

/**
 * Starts it; whether its slots were kept until it had called back, as those of a plan are that is carried out at once. Then `next`, within
 * the callback.
 */
function volleyed(ring: Ring, prepared: AnyPrepared, next = (): void => {}): Promise<boolean> {
  const { freeSlots } = ring.raw;
  return new Promise((resolve) =>
    prepared.start(() => {
      resolve(ring.raw.freeSlots < freeSlots);
      next();
    }),
  );
}

/** Runs what is due: nothing that happens on this machine's sockets takes any time. */
async function settle(ring: Ring): Promise<void> {
  for (let i = 0; i < 4; i++) {
    ring.raw.enter(0);
    ring.raw.reap();
    await Bun.sleep(0);
  }
}

/** Sockets that are read from by the operations of a plan, four bytes each. */
class Scene implements Disposable {
  readonly pairs: readonly Pair[] = Array.from({ length: 4 }, () => socketPair());
  readonly reads: readonly AnyPart[];

  constructor(private readonly ring: Ring) {
    // A short result is a failure of the first two, and none of the others.
    this.reads = this.pairs.map(({ second }, i) => {
      const reading = read({ fd: second, buffer: new Uint8Array(BYTES) });
      return i < 2 ? reading.exact() : reading;
    });
  }

  give(index: number, bytes = BYTES): void {
    sys.write(this.pairs[index]!.first, new Uint8Array(bytes));
  }

  giveAll(): void {
    for (const index of this.pairs.keys()) this.give(index);
  }

  /** Plays a script while a plan runs, and then gives what it still waits for. */
  async play(prepared: AnyPrepared, events: readonly Event[]): Promise<void> {
    const untouched = new Set(this.pairs.keys());
    for (const event of events) {
      await settle(this.ring);
      if (event.what === "abort") prepared.abort(new Error("enough"));
      else {
        this.give(event.index, event.what === "give" ? BYTES : 1);
        untouched.delete(event.index);
      }
    }
    await settle(this.ring);
    for (const index of untouched) this.give(index);
  }

  [Symbol.dispose](): void {
    for (const pair of this.pairs) pair[Symbol.dispose]();
  }
}

type PlanOf = (reads: readonly AnyPart[]) => AnyPart;

/** Plans of four reads. */
const PLANS: Record<string, PlanOf> = {
  chain: ([a, b, c, d]) => chain(a!, b!, c!, d!),
  "hard chain": ([a, b, c, d]) => chain.hard(a!, b!, c!, d!),
  all: ([a, b, c, d]) => all(a!, b!, c!, d!),
  group: ([a, b, c, d]) => group(a!, [b!, c!, d!]),
  "group that cancels": ([a, b, c, d]) => group(a!, [b!, c!, d!], { onFailure: "cancel" }),
  "group in one submit": ([a, b, c, d]) => group(a!, [b!, c!, d!], { oneSubmit: true }),
  "group in one submit that cancels": ([a, b, c, d]) => group(a!, [b!, c!, d!], { oneSubmit: true, onFailure: "cancel" }),
  "group with a release": ([a, b, c, d]) => group(a!, [b!, c!], { release: d! }),
  "chain of a group and an all": ([a, b, c, d]) => chain(group(a!, [b!]), all(c!, d!)),
  "all, then a chain": ([a, b, c, d]) => chain(all(a!, b!), c!, d!),
  "chain with a last step in any case": ([a, b, c, d]) => chain(a!, all(b!, c!), d!.always()),
  "group of alls": ([a, b, c, d]) => group(all(a!, b!), [all(c!, d!)]),
};

type Event = { readonly what: "give" | "short"; readonly index: number } | { readonly what: "abort" };

function script(random: Random): Event[] {
  const left = [0, 1, 2, 3];
  const events: Event[] = [];
  for (let count = random.below(5); count > 0; count--) {
    const [index] = left.splice(random.below(left.length), 1) as [number];
    events.push({ what: random.chance(20) ? "short" : "give", index });
  }
  if (random.chance(50)) events.splice(random.below(events.length + 1), 0, { what: "abort" });
  return events;
}

/** What becomes of a plan: carried out as ever. */
async function usually(ring: Ring, plan: PlanOf, options: PrepareOptions, events: readonly Event[]): Promise<string> {
  using scene = new Scene(ring);
  const prepared = ring.prepare(plan(scene.reads), options);
  const outcome = prepared.settle();
  await scene.play(prepared, events);
  return brief(await outcome);
}

/** The same, when it is started again after it has gone well; `within` its callback. */
async function again(ring: Ring, plan: PlanOf, options: PrepareOptions, events: readonly Event[], within: boolean): Promise<string> {
  using scene = new Scene(ring);
  const prepared = ring.prepare(plan(scene.reads), options);
  scene.giveAll();
  await started(prepared);
  expect(prepared.status).toBe("fulfilled");
  scene.giveAll();
  const over = Promise.withResolvers<void>();
  const begin = (): void => prepared.start(() => over.resolve());
  expect(await volleyed(ring, prepared, within ? begin : undefined)).toBe(true);
  if (!within) begin();
  expect(ring.inFlight).toBeGreaterThan(0);
  await scene.play(prepared, events);
  await over.promise;
  return brief(prepared.outcome());
}

describe(`a plan that is started again (seed ${SEED})`, () => {
  const SHAPES: Record<string, () => Promise<Ring>> = {
    "a ring with room": open,
    "a ring with no more room than it needs": () => Ring.open({ entries: 4, cqEntries: 4 }),
  };
  for (const [shape, opened] of Object.entries(SHAPES)) {
    test.each(Object.entries(PLANS))(
      `ends as ever, whatever happens to it, on ${shape}: %s`,
      async (name, plan) => {
        // Where there is no room for all at once beside what is kept for the plan, its members run side by side as ever, and one after the other
        // when it is started again.
        const alike = opened === open || !name.includes("one submit");
        await using ring = await opened();
        const { freeSlots } = ring.raw;
        const random = new Random(SEED);
        for (let trial = 0; trial < TRIALS; trial++) {
          const events = script(random);
          for (const links of [true, false]) {
            const expected = await usually(ring, plan, { links }, events);
            for (const within of [true, false]) {
              const outcome = await again(ring, plan, { links }, events, within);
              if (outcome !== expected && (alike || !links))
                throw new Error(`${JSON.stringify({ events, links, within })}\nended  ${outcome}\nshould ${expected}`);
            }
          }
          while (ring.raw.inFlight > 0) await settle(ring); // cancels that came too late
          expect(ring.inFlight).toBe(0);
        }
        expect(ring.raw.freeSlots).toBe(freeSlots);
      },
      600_000,
    );
  }

  test("tells its value and its outcome, when it is asked", async () => {
    await using ring = await open();
    using file = memoryFile(pattern(4096));
    const buffer = new Uint8Array(64);
    const plan = chain(
      read({ fd: file.first, buffer, offset: 0 }).exact(),
      group(nop({ result: 7 }), [nop({ result: 1 }), all(nop({ result: 2 }))], { release: nop({ result: 3 }) }),
      fsync({ fd: file.first }),
    );
    const prepared = ring.prepare(plan);
    const [value, outcome] = [await ring.run(plan), await ring.settle(plan)];
    for (let run = 0; run < 4; run++) {
      buffer.fill(0);
      expect(await volleyed(ring, prepared)).toBe(run > 0);
      expect(buffer).toEqual(pattern(64));
      expect(prepared.status).toBe("fulfilled");
      if (run % 2 === 0) expect(prepared.value).toEqual(value);
      expect(prepared.outcome()).toEqual(outcome);
      expect(prepared.value).toEqual(value);
    }
    expect(await prepared.run()).toEqual(value);
    expect(await volleyed(ring, prepared)).toBe(true);
  });

  test("does what it was told to last: patches, other memory, a shorter file", async () => {
    await using ring = await open();
    using file = memoryFile(pattern(4096));
    const store = new ArrayBuffer(64, { maxByteLength: 128 });
    const buffer = new Uint8Array(store);
    const reading = (offset: number) => read({ fd: file.first, buffer, offset });
    const first = reading(0);
    const prepared = ring.prepare(chain(first, nop({ result: 1 })));
    for (let run = 0; run < 3; run++) await started(prepared);
    await prepared.run([[first, reading(64)]]);
    for (let run = 0; run < 2; run++) {
      buffer.fill(0);
      expect(await volleyed(ring, prepared)).toBe(true);
      expect(buffer).toEqual(pattern(4096).subarray(64, 128));
    }
    const controller = new AbortController();
    controller.abort();
    await prepared.settle([[first, reading(0)]], { signal: controller.signal });
    await started(prepared); // it has not run with the patch before
    expect(buffer).toEqual(pattern(64));
    store.resize(128);
    expect(await volleyed(ring, prepared)).toBe(false);
    expect(await volleyed(ring, prepared)).toBe(true);
    expect(prepared.value).toEqual([128, 1]);
    store.resize(16);
    await started(prepared);
    expect(prepared.value).toEqual([16, 1]);
  });

  test("fails as ever when its memory is gone", async () => {
    for (const inFlight of [false, true]) {
      await using ring = await open();
      using pair = socketPair();
      const buffer = new Uint8Array(BYTES);
      const prepared = ring.prepare(chain(recv({ fd: pair.second, buffer }), nop()));
      for (let run = 0; run < 2; run++) {
        sys.write(pair.first, new Uint8Array(BYTES));
        await started(prepared);
      }
      const over = inFlight ? started(prepared) : undefined;
      await settle(ring);
      const moved = structuredClone(buffer, { transfer: [buffer.buffer] });
      sys.write(pair.first, new Uint8Array(BYTES).fill(1));
      await (over ?? started(prepared));
      expect(prepared.status).toBe("failed");
      expect(() => prepared.value).toThrow(inFlight ? /transferred/ : /detached/);
      expect(ring.raw.failure !== undefined).toBe(inFlight);
      expect(moved.length).toBe(BYTES);
    }
  });

  test("memory is its owner's again with its own completion, and looked at when its turn comes", async () => {
    await using ring = await open();
    using scene = new Scene(ring);
    using file = memoryFile(pattern(64));
    const sent = new Uint8Array(BYTES);
    const prepared = ring.prepare(all(write({ fd: file.first, buffer: sent, offset: 0 }), scene.reads[0]!));
    for (let run = 0; run < 2; run++) {
      scene.give(0);
      await started(prepared);
    }
    const over = started(prepared);
    for (let i = 0; i < 1000 && ring.inFlight !== 1; i++) await settle(ring); // a thread of the kernel may write it
    expect(ring.inFlight).toBe(1);
    structuredClone(sent, { transfer: [sent.buffer] }); // written already
    scene.give(0);
    await over;
    expect(prepared.value).toEqual([BYTES, BYTES]);
    const store = new ArrayBuffer(16, { maxByteLength: 64 });
    const later = ring.prepare(group(scene.reads[1]!, [read({ fd: file.first, buffer: new Uint8Array(store), offset: 0 })]));
    for (const [run, bytes] of [16, 16, 32, 32, 8].entries()) {
      const ended = started(later);
      store.resize(bytes);
      scene.give(1);
      await ended;
      expect(later.value).toEqual({ leader: BYTES, members: [bytes] });
      if (run > 0) expect(ring.inFlight).toBe(0);
    }
  });

  test("ends with its ring: closed, or failed", async () => {
    for (const kind of ["closed", "failed"] as const) {
      for (const landed of [0, 1, 2]) {
        const ring = await open();
        using scene = new Scene(ring);
        const [a, b, c] = scene.reads;
        const prepared = ring.prepare(group(a!, [b!, c!], { onFailure: "cancel" }));
        scene.giveAll();
        await started(prepared);
        scene.giveAll();
        const over = Promise.withResolvers<void>();
        expect(await volleyed(ring, prepared, () => prepared.start(() => over.resolve()))).toBe(true);
        for (let index = 0; index < landed; index++) {
          await settle(ring);
          scene.give(index);
        }
        await settle(ring);
        expect(ring.inFlight).toBe([1, 2, 1][landed]!);
        if (kind === "closed") await ring.close();
        else ring.raw.fail(new Error("broken"));
        await over.promise;
        expect(prepared.status).toBe(kind === "closed" ? "cancelled" : "failed");
        expect(() => prepared.value).toThrow(kind === "closed" ? /closed/ : /broken/);
        expect(() => prepared.start(() => {})).toThrow(kind === "closed" ? /closed/ : /broken/);
        await ring.close();
        expect(ring.inFlight).toBe(0);
      }
    }
  });

  test("its callback may abort it, close the ring, or throw", async () => {
    for (const restarts of [false, true]) {
      for (const act of ["abort", "close", "throw"] as const) {
        const ring = await open();
        using scene = new Scene(ring);
        const prepared = ring.prepare(all(scene.reads[0]!, scene.reads[1]!));
        scene.giveAll();
        await started(prepared);
        scene.giveAll();
        const ends: string[] = [];
        const held = await volleyed(ring, prepared, () => {
          if (restarts) prepared.start(() => void ends.push(prepared.status));
          if (act === "abort") prepared.abort(new Error("enough"));
          else if (act === "close") void ring.close();
          else throw new Error("callback");
        });
        expect(held).toBe(true);
        for (let i = 0; i < 100 && restarts && ends.length === 0; i++) await Bun.sleep(5);
        expect(ends).toEqual(restarts ? [act === "throw" ? "failed" : "cancelled"] : []);
        if (!restarts) expect(prepared.status).toBe("fulfilled");
        if (act === "abort") expect(ring.raw.inFlight).toBe(0);
        await ring.close();
        expect(ring.inFlight).toBe(0);
      }
    }
  });

  test("is refused from its callback once its ring is being closed, or has failed", async () => {
    for (const failing of [false, true]) {
      const ring = await open();
      const prepared = ring.prepare(chain(nop(), nop()));
      await started(prepared);
      const refused = Promise.withResolvers<unknown>();
      const held = await volleyed(ring, prepared, () => {
        if (failing) ring.raw.fail(new Error("enough"));
        else void ring.close();
        try {
          prepared.start(() => {});
          refused.resolve("started");
        } catch (error) {
          refused.resolve(error);
        }
      });
      expect(held).toBe(true);
      expect(await refused.promise).toMatchObject({ message: failing ? "enough" : "the ring is closed" });
      expect(prepared.status).toBe("fulfilled");
      await ring.close();
      expect(ring.inFlight).toBe(0);
    }
  });

  test("keeps the whole of its SQEs: fixed buffers and what has none, in turn", async () => {
    await using ring = await Ring.open({ entries: 32, fixedBuffers: 2 });
    using file = memoryFile(pattern(64));
    const [fixed, other] = [ring.fixedBuffer(BYTES), ring.fixedBuffer(BYTES)];
    const plain = new Uint8Array(BYTES);
    const { first: fd } = file;
    const plans = [
      ring.prepare(all(readFixed({ fd, buffer: fixed, offset: 4 }), readFixed({ fd, buffer: other, offset: 8 }))),
      ring.prepare(all(read({ fd, buffer: plain, offset: 12 }), nop())),
    ];
    for (const prepared of plans) await started(prepared);
    for (let run = 0; run < 40; run++) {
      for (const bytes of [fixed.bytes, other.bytes, plain]) bytes.fill(0);
      expect(await volleyed(ring, plans[run % 2]!)).toBe(true);
      const [a, b, c] = run % 2 === 0 ? [4, 8, undefined] : [undefined, undefined, 12];
      const expected = (from: number | undefined) => (from === undefined ? new Uint8Array(BYTES) : pattern(64).slice(from, from + BYTES));
      expect([fixed.bytes.slice(), other.bytes.slice(), plain]).toEqual([expected(a), expected(b), expected(c)]);
    }
  });

  test("goes on in another way from its callback: run, settle, a patch, another plan", async () => {
    await using ring = await open();
    const { freeSlots } = ring.raw;
    const one = nop({ result: 1 });
    const prepared = ring.prepare(all(one, nop({ result: 2 })));
    const other = ring.prepare(group(nop({ result: 5 }), [nop({ result: 6 })]));
    for (const plan of [prepared, other]) for (let run = 0; run < 2; run++) await started(plan);
    const ways: [() => Promise<unknown>, unknown][] = [
      [() => prepared.run(), [1, 2]],
      [async () => brief(await prepared.settle()), "fulfilled[fulfilled fulfilled]"],
      [() => prepared.run([[one, nop({ result: 7 })]]), [7, 2]],
      [() => other.run(), { leader: 5, members: [6] }],
      [() => ring.run(all(nop(), nop())), [0, 0]],
      [() => started(other).then(() => other.value), { leader: 5, members: [6] }],
    ];
    for (const [way, expected] of ways) {
      await started(prepared);
      const told = Promise.withResolvers<unknown>();
      expect(await volleyed(ring, prepared, () => way().then(told.resolve, told.reject))).toBe(true);
      expect(await told.promise).toEqual(expected);
      expect([ring.inFlight, ring.raw.inFlight, ring.raw.freeSlots]).toEqual([0, 0, freeSlots]);
    }
  });

  test("closing begins nothing that waits for its room", async () => {
    const ring = await Ring.open({ entries: 4, cqEntries: 4 });
    using scene = new Scene(ring);
    using file = memoryFile(new Uint8Array(BYTES));
    const prepared = ring.prepare(chain(all(nop(), nop(), nop(), nop()), scene.reads[0]!));
    scene.giveAll();
    await started(prepared);
    scene.giveAll();
    const over = Promise.withResolvers<void>();
    expect(await volleyed(ring, prepared, () => prepared.start(() => over.resolve()))).toBe(true);
    await settle(ring);
    const waiting = ring.settle(all(nop(), nop(), nop(), write({ fd: file.first, buffer: new Uint8Array(BYTES).fill(9), offset: 0 })));
    await settle(ring);
    await ring.close();
    await over.promise;
    expect(brief(await waiting)).toBe("unstarted[unstarted unstarted unstarted unstarted]");
    const content = new Uint8Array(BYTES);
    sys.pread(file.first, content, 0);
    expect(content).toEqual(new Uint8Array(BYTES));
  });

  test("gives up what it does not need while others wait, and may wait for them itself", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 4 });
    using scene = new Scene(ring);
    const [a, b, , d] = scene.reads;
    const chained = ring.prepare(chain(a!, b!, nop(), d!));
    scene.giveAll();
    await started(chained);
    scene.giveAll();
    expect(await volleyed(ring, chained)).toBe(true);
    scene.give(0);
    scene.give(1);
    const over = started(chained);
    for (let i = 0; i < 1000 && ring.inFlight !== 1; i++) await settle(ring);
    const feeding = ring.run(write({ fd: scene.pairs[3]!.first, buffer: new Uint8Array(1) }));
    await Promise.race([over, Bun.sleep(2_000)]);
    expect(chained.status).toBe("fulfilled");
    expect(await feeding).toBe(1);
    expect(ring.raw.inFlight).toBe(0);
  });

  test("keeps nobody waiting for its room", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 4 });
    const prepared = ring.prepare(group(nop(), [nop(), nop(), nop()]));
    let runs = 0;
    let enough = false;
    const ended = new Promise<void>((resolve) => {
      const over = (): void => {
        runs++;
        if (enough) resolve();
        else prepared.start(over);
      };
      prepared.start(over);
    });
    for (let i = 0; i < 50; i++) await ring.run(nop());
    const plans = Array.from({ length: 20 }, () => ring.run(all(nop(), nop(), nop(), nop())));
    expect(await Promise.all(plans)).toHaveLength(20);
    enough = true;
    await ended;
    expect(runs).toBeGreaterThan(0);
    expect([ring.inFlight, ring.raw.inFlight]).toEqual([0, 0]);
  });

  test("side by side on a ring that holds one of them at a time", async () => {
    await using ring = await Ring.open({ entries: 8, cqEntries: 8 });
    const RUNS = 300;
    const ends = Array.from({ length: 4 }, (_, i) => {
      const prepared = ring.prepare(group(nop({ result: i }), [nop(), nop(), nop(), nop(), nop()]));
      return new Promise<number>((resolve, reject) => {
        let left = RUNS;
        const over = (): void => {
          if (prepared.value.leader !== i) reject(new Error("another plan's result"));
          else if (--left > 0) prepared.start(over);
          else resolve(i);
        };
        prepared.start(over);
      });
    });
    expect(await Promise.all(ends)).toEqual([0, 1, 2, 3]);
    expect([ring.inFlight, ring.raw.inFlight]).toEqual([0, 0]);
  });

  test("goes the usual way when the SQ has no room for what must go out together", async () => {
    await using ring = await Ring.open({ entries: 8, cqEntries: 64 });
    const { raw } = ring;
    const slots = Array.from({ length: 6 }, () => raw.allocate(() => {}));
    const prepared = ring.prepare(chain(nop({ result: 1 }), nop({ result: 2 }), nop({ result: 3 }), nop({ result: 4 })));
    await started(prepared);
    expect(await volleyed(ring, prepared)).toBe(true);
    for (const slot of slots) raw.nop(slot, 0, 0);
    expect(await volleyed(ring, prepared)).toBe(false);
    expect(prepared.value).toEqual([1, 2, 3, 4]);
    expect(await volleyed(ring, prepared)).toBe(true);
    for (const slot of slots) raw.release(slot);
  });

  for (const [name, since, shape] of [
    ["polled", "6.0", { sqpoll: { idleMs: 20 } }],
    ["that starts over", "7.0", { rewind: true }],
    ["with an SQ array", "6.0", { sqArray: true }],
    ["of long SQEs", "6.0", { sqe: 128 }],
    ["of long CQEs", "6.0", { cqe: 32 }],
    ["without task run flags", "6.0", { taskrun: "none" }],
  ] as const) {
    requires(kernelAtLeast(since), `such rings need Linux ${since}`)(`on a ring ${name}`, async () => {
      await using ring = await Ring.open({ entries: 16, ...shape });
      using scene = new Scene(ring);
      const prepared = ring.prepare(group(nop({ result: 1 }), [nop({ result: 2 }), scene.reads[0]!, scene.reads[2]!]));
      scene.giveAll();
      await started(prepared);
      for (let run = 0; run < 50; run++) {
        scene.giveAll();
        expect(await volleyed(ring, prepared)).toBe(true);
        expect(prepared.value).toEqual({ leader: 1, members: [2, BYTES, BYTES] });
      }
      const over = started(prepared);
      for (let i = 0; i < 1000 && ring.inFlight !== 2; i++) await Bun.sleep(5); // the leader, and with the members three
      prepared.abort(new Error("enough"));
      await over;
      expect(brief(prepared.outcome())).toBe("cancelled[fulfilled (fulfilled cancelled cancelled)]");
      expect(ring.inFlight).toBe(0);
    });
  }

  test("writes what its memory holds at the time", async () => {
    await using ring = await open();
    using file = memoryFile(new Uint8Array(BYTES));
    const buffer = new Uint8Array(BYTES);
    const prepared = ring.prepare(chain(write({ fd: file.first, buffer, offset: 0 }).exact(), fsync({ fd: file.first })));
    const content = new Uint8Array(BYTES);
    let run = 0;
    await new Promise<void>((resolve, reject) => {
      const over = (): void => {
        sys.pread(file.first, content, 0);
        if (content[0] !== run) reject(new Error(`run ${run} wrote ${content[0]}`));
        else if (++run === 100) resolve();
        else {
          buffer.fill(run);
          prepared.start(over);
        }
      };
      prepared.start(over);
    });
    expect(run).toBe(100);
  });
});
