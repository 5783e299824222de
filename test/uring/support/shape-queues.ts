/** The queues of rings of every shape: entries of every size they may have, around and around; links; more completions than they hold. */
import { expect } from "bun:test";
import { nop, nop128 } from "uring-ublk";
import { Arena, addressOf } from "uring-ublk/ffi";
import { abi, type RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../../support/requires.ts";
import { type NamedShape, offered, openRaw } from "../shapes.ts";
import { memoryFile, pattern, pipe } from "./descriptors.ts";

const ECANCELED = -125;
const ETIME = -62;

function drain(raw: RawRing): void {
  while (raw.inFlight > 0 && raw.failure === undefined) {
    raw.enter(1);
    raw.reap();
  }
  expect(raw.failure).toBeUndefined();
}

/** A slot that notes its result under a name. */
function noting(raw: RawRing): { slot: (name: string) => number; results: Record<string, number> } {
  const results: Record<string, number> = {};
  const slot = (name: string): number =>
    raw.allocate((result) => {
      results[name] = result;
    });
  return { slot, results };
}

/** Defines the tests of the queues of a ring of the shape. */
export function queuesOf(named: NamedShape): void {
  const { entries = 0, sqe = 64, cqe = 16 } = named.shape;
  const supported = kernelAtLeast(named.since);
  const test = offered(named);
  const linking = supported && entries < 3 ? requires(false, "three linked SQEs need an SQ for three") : test;
  const inject = supported && !kernelAtLeast("6.10") ? requires(false, "injected results need Linux 6.10") : test;

  inject("carry entries of every size they may have, many times around", () => {
    using raw = openRaw(named);
    // The extra words are only known to this test where CQEs have them and the kernel fills them (6.18).
    const extra = cqe !== 16 && kernelAtLeast("6.18");
    const seen: number[][] = [];
    const wanted: number[][] = [];
    const slots = Array.from({ length: raw.record.cqEntries }, () =>
      raw.allocate((result, flags) => {
        const long = cqe === 32 || (flags & abi.IORING_CQE_F_32) !== 0;
        const words = long && extra ? raw.cqeWords.slice(raw.cqeAt + 4, raw.cqeAt + 8) : [];
        seen.push([result, ...words]);
      }),
    );
    for (let i = 0; i < 400; i++) {
      const wide = sqe === 128 || (sqe === "mixed" && i % 3 === 0);
      const long = extra && (cqe === 32 || i % 5 < 2);
      const description = { result: i, ...(long ? { extra: [i * 2, 2 ** 32 * 3 + i] as const } : {}) };
      (wide ? nop128(description) : nop(description)).encode(raw, slots[i % slots.length]!);
      wanted.push(long ? [i, i * 2, 0, i, 3] : [i]);
      if (i % slots.length === slots.length - 1 || i % 7 === 0) drain(raw);
    }
    drain(raw);
    expect(seen.toSorted((a, b) => a[0]! - b[0]!)).toEqual(wanted);
  });

  test("keep completions that overflow the CQ", () => {
    const count = 5 * (named.shape.cqEntries ?? entries * 2);
    using raw = openRaw(named, { slots: count });
    const seen = new Set<number>();
    for (let i = 0; i < count; i++) {
      raw.nop(raw.allocate((_result, _flags, slot) => seen.add(slot)));
      if (i % entries === entries - 1) raw.enter(0); // submitted, and not reaped
    }
    drain(raw);
    expect(seen.size).toBe(count);
  });

  linking("run a linked chain in order, many times around", () => {
    using raw = openRaw(named);
    using file = memoryFile();
    const data = pattern(64);
    const back = new Uint8Array(new ArrayBuffer(64));
    const { slot, results } = noting(raw);
    const [writing, reading, last] = [slot("write"), slot("read"), slot("last")];
    for (let round = 0; round < 20; round++) {
      back.fill(0);
      data[0] = round;
      raw.write(writing, file.first, addressOf(data), 64, 0, 0);
      raw.setFlags(abi.IOSQE_IO_LINK);
      raw.read(reading, file.first, addressOf(back), 64, 0, 0);
      raw.setFlags(abi.IOSQE_IO_LINK);
      raw.nop(last);
      drain(raw);
      expect(results).toEqual({ write: 64, read: 64, last: 0 });
      expect(back).toEqual(data);
    }
  });

  linking("stop a soft chain that fails, and go on in a hard one", () => {
    using raw = openRaw(named);
    using empty = memoryFile();
    const buffer = new Uint8Array(new ArrayBuffer(8));
    for (const [flag, rest] of [
      [abi.IOSQE_IO_LINK, ECANCELED],
      [abi.IOSQE_IO_HARDLINK, 0],
    ] as const) {
      const { slot, results } = noting(raw);
      const [reading, second, third] = [slot("read"), slot("second"), slot("third")];
      raw.read(reading, empty.first, addressOf(buffer), 8, 0, 0); // short: nothing is there
      raw.setFlags(flag);
      raw.nop(second);
      raw.setFlags(flag);
      raw.nop(third);
      drain(raw);
      expect(results).toEqual({ read: 0, second: rest, third: rest });
      for (const each of [reading, second, third]) raw.release(each);
    }
  });

  // Seven positions, where one is left over at the end of the queue.
  const long = sqe !== 64 && entries >= 8;
  if (long)
    inject("keep a chain of long and short entries together, wherever the queue ends", () => {
      using raw = openRaw(named);
      const { slot, results } = noting(raw);
      const [before, head, second, last] = [slot("before"), slot("head"), slot("second"), slot("last")];
      for (let round = 0; round < 24; round++) {
        if (round % 3 > 0) nop().encode(raw, before); // one position further
        nop({ result: -5 }).encode(raw, head);
        raw.setFlags(abi.IOSQE_IO_LINK);
        nop128().encode(raw, second);
        raw.setFlags(abi.IOSQE_IO_LINK);
        nop128().encode(raw, last);
        drain(raw);
        expect(results).toMatchObject({ head: -5, second: ECANCELED, last: ECANCELED });
      }
    });

  linking("bound an operation by a linked timeout", () => {
    using raw = openRaw(named);
    using memory = Arena.allocate(4096);
    using ends = pipe();
    memory.words()[2] = 2_000_000;
    const { slot, results } = noting(raw);
    raw.poll(slot("poll"), ends.first, 1);
    raw.setFlags(abi.IOSQE_IO_LINK);
    raw.linkTimeout(slot("limit"), memory.address, 0);
    drain(raw);
    expect(results).toEqual({ poll: ECANCELED, limit: ETIME });
  });

  linking("post nothing for a success that is to be silent", () => {
    using raw = openRaw(named);
    const { slot, results } = noting(raw);
    const silent = slot("silent");
    raw.nop(silent);
    raw.setFlags(abi.IOSQE_IO_LINK | abi.IOSQE_CQE_SKIP_SUCCESS);
    raw.nop(slot("last"));
    while (!("last" in results)) {
      raw.enter(1);
      raw.reap();
    }
    raw.skipped(silent);
    expect([results, raw.inFlight]).toEqual([{ last: 0 }, 0]);
  });
}
