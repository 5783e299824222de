import { describe, expect, test } from "bun:test";
import { addressOf, type RingSyscalls, ringSyscalls } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";

const EINVAL = -22;
const TEMPLATES = 4;

/** A ring whose permanent SQEs are NOPs: the first two post a CQE only if they fail. `waits` is what each enter was told to wait for. */
function quietRing(failing = -1) {
  const real = ringSyscalls();
  const waits: number[] = [];
  const syscalls: RingSyscalls = {
    ...real,
    enter: (fd, toSubmit, minComplete, ...rest) => {
      waits.push(minComplete);
      return real.enter(fd, toSubmit, minComplete, ...rest);
    },
  };
  const raw = new RawRing({ entries: 16, sqArray: true }, { templates: TEMPLATES, syscalls });
  const seen: [number, number][] = [];
  raw.allocateTemplates({ completed: (result, slot) => void seen.push([slot, result]) });
  for (let slot = 0; slot < TEMPLATES; slot++) {
    const at = slot << raw.sqeShift;
    raw.words.fill(0, at, at + (1 << raw.sqeShift));
    raw.words[at] = (slot < 2 ? abi.IOSQE_CQE_SKIP_SUCCESS : 0) << 8;
    raw.words[at + 1] = -1;
    if (slot === failing) {
      raw.words[at + 6] = EINVAL;
      raw.words[at + 7] = abi.IORING_NOP_INJECT_RESULT;
    }
    raw.words[at + 8] = slot;
  }
  return { raw, seen, waits, [Symbol.dispose]: () => raw.close() };
}

const AFTER = BigInt64Array.of(0n, 5_000_000n); // struct __kernel_timespec

/** Something to wait for: a timer. */
function queueTimer(raw: RawRing): void {
  const slot = raw.allocate(() => {});
  raw.timeout(slot, addressOf(AFTER), 0, 0);
}

describe("a permanent SQE", () => {
  for (const sqe of [64, 128] as const) {
    test(`of ${sqe} bytes is a copy of one that a writer made, and is queued again and again`, () => {
      using raw = new RawRing({ entries: 16, sqArray: true, sqe }, { templates: 2 });
      const seen: [number, number][] = [];
      raw.allocateTemplates({ completed: (result, slot) => void seen.push([slot, result]) });
      const slot = raw.allocate((result) => seen.push([slot, result]));
      raw.nop(slot, abi.IORING_NOP_INJECT_RESULT, 7);
      raw.words.fill(-1, 1 << raw.sqeShift, 2 << raw.sqeShift); // nothing of what was there before stays
      raw.writeTemplate(1, raw.sqe);
      const at = 1 << raw.sqeShift;
      expect([...raw.words.subarray(at + 8, at + (1 << raw.sqeShift))]).toEqual([1, ...new Array((sqe >> 2) - 9).fill(0)]);
      for (let round = 0; round < 3; round++) {
        raw.armTemplate(1);
        raw.enter(1);
        raw.reap();
      }
      expect(seen).toEqual([
        [slot, 7],
        [1, 7],
        [1, 7],
        [1, 7],
      ]);
      expect(raw.inFlight).toBe(0);
    });
  }

  test("is not written where there is none, in part, or in flight", () => {
    using raw = new RawRing({ entries: 16, sqArray: true }, { templates: 1 });
    raw.allocateTemplates({ completed() {} });
    const nop = new Int32Array(16);
    expect(() => raw.writeTemplate(1, nop)).toThrow(/slot 1 has no permanent SQE; the ring was opened with templates: 1/);
    expect(() => raw.writeTemplate(-1, nop)).toThrow(RangeError);
    expect(() => raw.writeTemplate(0, nop.subarray(1))).toThrow(/an SQE has 16 words, not 15/);
    raw.writeTemplate(0, nop);
    raw.armTemplate(0);
    expect(() => raw.writeTemplate(0, nop)).toThrow(/slot 0 is in flight; write its SQE after its CQE/);
    raw.enter(1);
    raw.reap();
    raw.writeTemplate(0, nop);
  });

  test("that is quiet tells only of its failure, and is not waited for", () => {
    using ring = quietRing(1);
    const { raw, seen } = ring;
    raw.armQuietTemplate(0);
    expect(raw.inFlight).toBe(0);
    raw.enter(0);
    raw.reap();
    expect(seen).toEqual([]);
    raw.armQuietTemplate(1);
    raw.armQuietTemplate(0);
    raw.enter(0);
    raw.reap();
    expect(seen).toEqual([[1, EINVAL]]);
    raw.quietTemplateFailed();
    expect(raw.inFlight).toBe(0);
    expect(raw.failure).toBeUndefined();
  });

  test("that completes at once and is waited for by nobody does not end the wait it goes out with", () => {
    using ring = quietRing();
    const { raw, seen, waits } = ring;
    queueTimer(raw);
    const place = raw.queuedInAll;
    raw.armQuietTemplate(0);
    raw.exchangeQuiet(place, 2); // in its place
    expect(raw.serve()).toBe(2); // both in one batch
    expect(waits).toEqual([2]);
    expect(seen).toEqual([[2, 0]]);
  });

  test("that was submitted before is waited for no more", () => {
    using ring = quietRing();
    const { raw, seen, waits } = ring;
    const place = raw.queuedInAll;
    raw.armQuietTemplate(0);
    raw.exchangeQuiet(place, 2);
    raw.enter(0);
    queueTimer(raw);
    raw.serve();
    expect(waits.slice(0, 2)).toEqual([0, 1]);
    expect(seen).toEqual([[2, 0]]);
  });
});
