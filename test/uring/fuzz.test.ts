// file timeout: 900 s
/**
 * Random descriptions, right and wrong ones, on rings of random shapes: every promise settles, with a typed error if with one, nothing
 * crashes or hangs, nothing is left behind, and the ring closes. `URING_UBLK_SEED` repeats a run; what fails names seed and round.
 */
import { describe, expect, test } from "bun:test";
import { FixedBuffer, FixedFile, MultishotOperation, type Operation, OperationHandle, ProtocolError, Ring, UringError } from "uring-ublk";
import { ringSyscalls } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { inVm, isFullRun, kernelAtLeast } from "../support/requires.ts";
import { SHAPES } from "./shapes.ts";
import { descriptorsDownTo, downTo, openDescriptors, openOf } from "./support/descriptors.ts";
import { Playground, takeBack } from "./support/fuzz-ring.ts";
import { Random, SEED } from "./support/random.ts";
import { mereResources, type Sample, samples } from "./support/samples.ts";

const SECONDS = isFullRun() ? 60 : 4;
const DESCRIPTIONS = isFullRun() ? (inVm() ? 20_000 : 100_000) : 8000; // an emulated machine takes as long for a fifth
const PATIENCE_MS = 20_000;

console.log(`fuzz seed ${SEED} (URING_UBLK_SEED repeats it)`);

const ABORTED = new Error("aborted by the fuzz test");
const typed = (error: unknown): boolean => error instanceof TypeError || error instanceof RangeError || error instanceof UringError;

describe("random options", () => {
  const resources = mereResources({ target: new OperationHandle() });
  const { arena } = resources;
  const detached = new Uint8Array(8);
  detached.buffer.transfer();
  const JUNK: readonly unknown[] = [
    ...[undefined, null, true, false, "", "text", "any", "a\0b", 0, -0, 1, -1, 1.5, Number.NaN, Infinity, -Infinity, 7n],
    ...[2 ** 31, 2 ** 32, 2 ** 53, 2 ** 64, -(2 ** 31), -(2 ** 53), Number.MIN_VALUE],
    ...[{}, [], [[]], [null], [1, 2], [{}], () => 1, Symbol("s"), new Date(0), /x/, new Map(), Object.create(null), new Proxy({}, {})],
    ...[new Uint8Array(0), new ArrayBuffer(8), new SharedArrayBuffer(8), new DataView(new ArrayBuffer(3)), new Float64Array(2), detached],
    ...[
      new FixedFile(0),
      new FixedBuffer(0, 1, 2, "sink"),
      new OperationHandle(),
      arena,
      { length: 3 },
      { byteLength: 8 },
      { family: "ipv4" },
    ],
  ];

  test("build an operation, or are refused by a typed error that names it", () => {
    const random = new Random(SEED);
    const list = samples(resources);
    let [accepted, refused] = [0, 0];
    for (let round = 0; round < DESCRIPTIONS; round++) {
      const { name, build, options } = random.pick(list);
      const names = Object.keys(options);
      const tried: Record<string, unknown> = { ...options };
      for (let i = 0; i <= random.below(3); i++) tried[random.pick(names)] = random.pick(JUNK);
      using raw = new RawRing({ entries: 1, cqe: 32, sqe: 128 });
      const slot = raw.allocate(() => {});
      try {
        build(tried).encode(raw, slot);
        expect(raw.inFlightAt(slot)).toBe(true);
        accepted++;
      } catch (error) {
        const message = error instanceof Error ? error.message : "";
        // A missing feature, or a handle whose operation is not in flight, is told as the kernel tells it.
        if (!typed(error) || !(message.startsWith(`${name}: `) || (error instanceof UringError && error.operation === name)))
          throw new Error(`seed ${SEED}, round ${round}: ${name}(${Object.keys(tried)}): ${String(error)}`, { cause: error });
        expect([raw.inFlight, raw.queued]).toEqual([0, 0]);
        refused++;
      }
    }
    expect(Math.min(accepted, refused)).toBeGreaterThan(100);
  }, 300_000);

  test("of no kind at all are refused as well", () => {
    for (const { build, name } of samples(resources)) {
      for (const junk of [null, 5, "text", Symbol("s")]) {
        expect(() => build(junk as never)).toThrow(TypeError);
        expect(() => build({ nonsense: junk })).toThrow(new RegExp(`${name}: there is no option 'nonsense'`));
      }
    }
  });
});

/** Rings that take everything, of those that this kernel has. */
const shapes = SHAPES.filter(({ since }) => kernelAtLeast(since));

async function open(random: Random): Promise<Ring> {
  const { shape } = random.pick(shapes);
  const ring = await Ring.open({
    ...shape,
    entries: random.pick([shape.sqe === "mixed" ? 2 : 1, 2, 8, 64]),
    cqEntries: random.pick([64, 128]),
    fixedFiles: 8,
    fixedBuffers: 1,
    syscalls: ringSyscalls("libc"),
  });
  if (shape.disabled) ring.raw.register.enable();
  ring.fixedBuffer(4096);
  return ring;
}

interface Run {
  readonly what: string;
  done: boolean;
  readonly settled: Promise<unknown>;
}

/** Runs one description to its end and answers what it failed with, if it did. */
async function runOne(ring: Ring, operation: Operation<unknown>, signal: AbortSignal, limit: number): Promise<unknown> {
  const { name } = operation;
  try {
    if (operation instanceof MultishotOperation) {
      let items = 0;
      for await (const item of ring.run(operation, { signal })) {
        if (/^accept/.test(name)) takeBack(name, item, ring);
        if (++items >= limit) break;
      }
    } else {
      const value = await ring.run(operation, { signal });
      const { released } = (value ?? {}) as { released?: Promise<unknown> };
      takeBack(name, value, ring);
      await released;
    }
  } catch (error) {
    return error;
  }
  return undefined;
}

async function round(random: Random, ring: Ring, playground: Playground): Promise<void> {
  // Where a kernel thread submits, an abort does not always reach what a worker carries out on a ring that drains. Linux 6.12 sometimes
  // begins nothing more behind a drain, on a ring that does many things at once (of the tested kernels 6.16 is the first that does not).
  const drains = (ring.record.flags & abi.IORING_SETUP_SQPOLL) === 0 && kernelAtLeast("6.16");
  const controller = new AbortController();
  const runs: Run[] = [];
  for (let i = 0; i < 24; i++) {
    const { name, build, options }: Sample = random.pick(samples(playground.resources()));
    const varied = playground.vary(name, options);
    let operation: Operation<unknown>;
    try {
      operation = build(varied);
      if (random.chance(10)) operation = operation.async();
      if (random.chance(5) && drains && operation.declaration.completions !== "notify") operation = operation.drain();
      if (random.chance(5) && operation.declaration.impersonal !== true) operation = operation.personality(1 + random.below(9));
    } catch (error) {
      expect(typed(error)).toBe(true);
      continue;
    }
    const own = random.chance(20) ? AbortSignal.any([controller.signal, AbortSignal.timeout(random.below(5))]) : controller.signal;
    const run: Run = {
      what: `${name} ${JSON.stringify(Object.keys(varied))}`,
      done: false,
      settled: runOne(ring, operation, own, 1 + random.below(4)).then((error) => {
        run.done = true;
        const fine = error === undefined || error === ABORTED || typed(error) || (error as Error).name === "TimeoutError";
        if (!fine || error instanceof ProtocolError) throw new Error(`${run.what}: ${String(error)}`, { cause: error });
      }),
    };
    runs.push(run);
    if (random.chance(30)) await Promise.resolve();
    if (random.chance(10)) await new Promise((resolve) => setImmediate(resolve));
  }
  for (let i = random.below(4); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
  controller.abort(ABORTED);
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not settled: ${runs.filter(({ done }) => !done).map(({ what }) => what)}`)), PATIENCE_MS);
  });
  await Promise.race([Promise.all(runs.map(({ settled }) => settled)), late]);
  clearTimeout(timer);
  // The notification of a zero-copy send comes after its result.
  for (let turns = 0; ring.inFlight > 0 && turns < 1000; turns++) await new Promise((resolve) => setImmediate(resolve));
  const { failure } = ring.raw;
  expect({ inFlight: ring.inFlight, held: playground.group.held, failure }).toEqual({ inFlight: 0, held: 0, failure: undefined });
}

const KINDS = ["socket:", "pipe:", "anon_inode:[eventpoll]", "anon_inode:[io_uring]", "/memfd:"];

describe("random operations", () => {
  test("settle, on rings of all shapes, and leave nothing behind", async () => {
    const random = new Random(SEED);
    const before = KINDS.map((kind) => openOf(kind));
    const descriptors = openDescriptors();
    const until = performance.now() + SECONDS * 1000;
    let rounds = 0;
    while (performance.now() < until || rounds < 10) {
      const seed = random.word();
      const own = new Random(seed);
      const ring = await open(own);
      const playground = new Playground(own, ring);
      try {
        const { freeSlots, inFlight } = ring.raw;
        for (let i = 0; i < 4; i++) {
          await round(own, ring, playground);
          // Cancels whose operation was quicker have CQEs of their own.
          for (let turns = 0; ring.raw.inFlight > inFlight && turns < 1000; turns++) await new Promise((resolve) => setImmediate(resolve));
          expect([ring.raw.freeSlots, ring.raw.inFlight]).toEqual([freeSlots, inFlight]);
        }
      } catch (error) {
        throw new Error(`seed ${SEED}, ring ${rounds} (${ring.record.flagNames}): ${(error as Error).message}`, { cause: error });
      }
      await ring.close();
      playground[Symbol.dispose]();
      rounds++;
    }
    for (const [i, kind] of KINDS.entries()) expect({ kind, left: await downTo(before[i]!, kind) }).toEqual({ kind, left: before[i]! });
    expect(await descriptorsDownTo(descriptors)).toBeLessThanOrEqual(descriptors);
    console.log(`${rounds} rings, ${rounds * 4 * 24} operations`);
  }, 300_000);
});
