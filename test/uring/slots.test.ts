import { describe, expect, test } from "bun:test";
import { addressOf, sys } from "uring-ublk/ffi";
import { ProtocolError, RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { openOf, pipe, SOCK_DGRAM, socketPair } from "./support/descriptors.ts";

const USER_DATA_LOW = 8;
const USER_DATA_HIGH = 9;

/** Enters and reaps until nothing is in flight, or the ring has failed. */
function drain(raw: RawRing): void {
  for (let i = 0; raw.inFlight > 0 && raw.failure === undefined && i < 1000; i++) {
    raw.enter(1, 100_000_000);
    raw.reap();
  }
}

describe("a slot", () => {
  test("gets a new generation with every operation", () => {
    using raw = new RawRing({ entries: 8 });
    const slot = raw.allocate(() => {});
    const seen = new Set<number>();
    for (let i = 0; i < 100; i++) {
      raw.nop(slot);
      seen.add(raw.generation(slot));
      drain(raw);
    }
    expect(seen.size).toBe(100);
  });

  test("is armed until its final CQE was handled, and free in its handler", () => {
    using raw = new RawRing({ entries: 8 });
    let rounds = 0;
    const slot = raw.allocate(() => {
      expect(raw.inFlightAt(slot)).toBe(false);
      if (++rounds < 10)
        raw.nop(slot); // the next operation from within the handler
      else raw.release(slot);
    });
    raw.nop(slot);
    expect(raw.inFlightAt(slot)).toBe(true);
    expect(raw.inFlight).toBe(1);
    drain(raw);
    expect(rounds).toBe(10);
    expect(raw.freeSlots).toBe(raw.record.cqEntries);
  });

  test("refuses a second operation while one is in flight, and a release", () => {
    using raw = new RawRing({ entries: 8 });
    const slot = raw.allocate(() => {});
    raw.nop(slot);
    expect(() => raw.nop(slot)).toThrow(/has an operation in flight already/);
    expect(() => raw.release(slot)).toThrow(/is in flight; release it after/);
    expect(raw.queued).toBe(1);
    drain(raw);
    raw.release(slot);
    expect(() => raw.release(slot)).toThrow(/was released already/);
    expect(() => raw.nop(99)).toThrow(/there is no slot 99/);
    expect(() => raw.nop(-1)).toThrow(/there is no slot -1/);
  });

  test("is never handed to two owners", () => {
    using raw = new RawRing({ entries: 8 });
    const slots = Array.from({ length: 16 }, () => raw.allocate(() => {}));
    expect(new Set(slots).size).toBe(16);
    for (const slot of slots) raw.release(slot);
    expect(raw.freeSlots).toBe(16);
  });

  test("is not given to permanent SQEs after ordinary ones", () => {
    using raw = new RawRing({ entries: 8, sqArray: true }, { templates: 2 });
    raw.allocate(() => {});
    expect(() => raw.allocateTemplates({ completed() {} })).toThrow(TypeError);
  });
});

describe("copies of SQEs", () => {
  const WORDS = 16;
  const NOP_RESULT = 6; // the length field, with IORING_NOP_INJECT_RESULT
  const INJECT_RESULT = 1;

  /** NOPs that answer the results, one behind the other, as one array of words. */
  function nops(raw: RawRing, results: readonly number[]): Int32Array {
    const slot = raw.allocate(() => {});
    const sqes = new Int32Array(results.length * WORDS);
    for (const [i, result] of results.entries()) {
      raw.nop(slot, INJECT_RESULT, result);
      sqes.set(raw.sqe, i * WORDS);
      drain(raw);
    }
    raw.release(slot);
    return sqes;
  }

  for (const shape of [
    { entries: 8 },
    { entries: 8, sqArray: true },
    { entries: 8, sqe: 128 },
    { entries: 8, sqpoll: { idleMs: 100 } },
  ] as const) {
    test(`leave nothing of what stood there before: ${JSON.stringify(shape)}`, () => {
      using raw = new RawRing(shape);
      const got: number[] = [];
      const slots = Int32Array.from({ length: 3 }, () => raw.allocate((result) => void got.push(result)));
      const sqes = nops(raw, [0, 7, 8, 9]);
      for (const short of [true, false]) {
        for (let round = 0; round < 4; round++) {
          raw.words.fill(0x5a5a5a5a);
          expect(raw.prepCopies(3, slots, sqes, WORDS, short)).toBe(true);
          expect(raw.inFlight).toBe(3);
          const at = raw.lastSqe;
          const expected = sqes.slice(3 * WORDS);
          expected[USER_DATA_LOW] = slots[2]!;
          expected[USER_DATA_HIGH] = raw.generation(slots[2]!);
          expect(raw.words.slice(at, at + WORDS)).toEqual(expected);
          expect(raw.words[at + NOP_RESULT]).toBe(9);
          drain(raw);
        }
      }
      expect(got).toEqual(Array.from({ length: 8 }, () => [7, 8, 9]).flat());
    });
  }

  test("keep what stands behind the user_data, and all or none are queued", () => {
    using raw = new RawRing({ entries: 4 });
    const slots = Int32Array.from({ length: 4 }, () => raw.allocate(() => {}));
    const sqes = nops(raw, [0, 0, 0, 0]);
    for (let at = WORDS + 10; at < 2 * WORDS; at++) sqes[at] = at;
    const other = raw.allocate(() => {});
    raw.nop(other);
    expect(raw.prepCopies(4, slots, sqes, 0, true)).toBe(false);
    expect([raw.queued, raw.inFlight]).toEqual([1, 1]);
    expect(raw.prepCopies(2, slots, sqes, 0, false)).toBe(true);
    expect([raw.queued, raw.inFlight]).toEqual([3, 3]);
    expect(raw.words.slice(raw.lastSqe + 10, raw.lastSqe + WORDS)).toEqual(sqes.slice(WORDS + 10, 2 * WORDS));
    drain(raw);
    raw.nop(slots[1]!);
    expect(() => raw.prepCopies(2, slots, sqes, 0, true)).toThrow(/has an operation in flight already/);
    expect([raw.queued, raw.inFlight]).toEqual([2, 2]); // the first is what it would be without the second
    drain(raw);
    expect([0, 1, 2, 3].map((i) => raw.inFlightAt(slots[i]!))).toEqual([false, false, false, false]);
  });

  test("are not queued on a ring that is over", () => {
    const raw = new RawRing({ entries: 4 });
    const slots = Int32Array.of(raw.allocate(() => {}));
    const sqes = nops(raw, [0]);
    raw.fail(new Error("enough"));
    expect(raw.prepCopies(1, slots, sqes, 0, true)).toBe(false);
    raw.close();
    expect(raw.prepCopies(1, slots, sqes, 0, true)).toBe(false);
    expect(raw.inFlight).toBe(0);
  });
});

describe("permanent SQEs", () => {
  test("are checked before the kernel is asked for a ring", () => {
    const rings = openOf("anon_inode:[io_uring]");
    expect(() => new RawRing({ entries: 8 }, { templates: 2 })).toThrow(/need sqArray/);
    expect(() => new RawRing({ entries: 8, sqArray: true }, { templates: 8 })).toThrow(RangeError);
    expect(openOf("anon_inode:[io_uring]")).toBe(rings);
  });
});

describe("a CQE that belongs to no operation in flight", () => {
  /** Runs a NOP whose user_data was changed behind the ring's back. */
  function forged(change: (words: Int32Array, slot: number) => void): {
    raw: RawRing;
    handled: number[];
    reaped: number;
  } {
    const raw = new RawRing({ entries: 8 });
    const handled: number[] = [];
    const note = (_r: number, _f: number, slot: number): void => {
      handled.push(slot);
    };
    const slots = Array.from({ length: 3 }, () => raw.allocate(note));
    for (const slot of slots) raw.nop(slot);
    change(raw.words, slots[1]!);
    raw.enter(3);
    return { raw, handled, reaped: raw.reap() };
  }

  test("with an unknown slot fails the ring, after the rest of the batch", () => {
    const { raw, handled, reaped } = forged((words) => {
      words[16 + USER_DATA_LOW] = 12345;
    });
    expect(reaped).toBe(3);
    expect(handled.length).toBe(2);
    expect(raw.failure).toBeInstanceOf(ProtocolError);
    expect(raw.failure?.message).toContain("slot 12345");
    raw.close();
  });

  test("with an old generation fails the ring", () => {
    const { raw, handled } = forged((words) => {
      words[16 + USER_DATA_HIGH] = 99;
    });
    expect(handled.length).toBe(2);
    expect(raw.failure?.message).toContain("generation 99");
    raw.close();
  });

  test("with a negative slot fails the ring", () => {
    const { raw } = forged((words) => {
      words[16 + USER_DATA_LOW] = -5;
    });
    expect(raw.failure?.message).toContain("slot -5");
    raw.close();
  });

  test("that completes an operation a second time fails the ring", () => {
    const { raw, handled } = forged((words, slot) => {
      words[32 + USER_DATA_LOW] = slot;
      words[32 + USER_DATA_HIGH] = words[16 + USER_DATA_HIGH]!;
    });
    expect(handled.length).toBe(2);
    expect(raw.failure).toBeInstanceOf(ProtocolError);
    raw.close();
  });

  test("is told once, at the end of the batch, and refuses whatever follows", () => {
    using raw = new RawRing({ entries: 8 });
    const order: string[] = [];
    const slots = Array.from({ length: 4 }, (_, i) => raw.allocate(() => order.push(`handler ${i}`)));
    raw.onFailure = (error) => {
      expect(error).toBe(raw.failure!);
      order.push("failure");
    };
    for (const slot of slots) raw.nop(slot);
    raw.words[0 + USER_DATA_HIGH] = 77;
    raw.words[32 + USER_DATA_HIGH] = 78;
    raw.enter(4);
    raw.reap();
    expect(order).toEqual(["handler 1", "handler 3", "failure"]);
    expect(() => raw.nop(slots[1]!)).toThrow(ProtocolError);
    expect(raw.inFlight).toBe(2); // the two whose CQEs went astray
  });
});

const multishot = requires(kernelAtLeast("6.0"), "multishot receives need Linux 6.0");

describe("a CQE that announces more", () => {
  multishot("fails the ring when the operation was to complete once", async () => {
    const { Ring } = await import("uring-ublk");
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair(SOCK_DGRAM);
    using group = ring.bufferGroup({ buffers: 4, size: 16 });
    const { raw } = ring;
    const slot = raw.allocate(() => {}); // not declared "many"
    raw.recvMultishot(slot, ends.first, group.id, 0);
    sys.write(ends.second, new Uint8Array(1));
    raw.enter(1);
    raw.reap();
    expect(raw.failure).toBeInstanceOf(ProtocolError);
    expect(raw.failure?.message).toContain("announces more");
  });
});

describe("a handler that throws", () => {
  test("does not keep the others of its batch from running, and is heard after it", () => {
    using raw = new RawRing({ entries: 8 });
    const done: number[] = [];
    const slots = Array.from({ length: 5 }, (_, i) =>
      raw.allocate(() => {
        if (i === 1 || i === 3) throw new Error(`handler ${i}`);
        done.push(i);
      }),
    );
    for (const slot of slots) raw.nop(slot);
    raw.enter(5);
    expect(() => raw.reap()).toThrow("handler 1");
    expect(done).toEqual([0, 2, 4]);
    expect(raw.inFlight).toBe(0);
    expect(raw.failure).toBeUndefined();
    raw.nop(slots[0]!); // the ring goes on
    drain(raw);
    expect(done).toEqual([0, 2, 4, 0]);
  });

  test("is given to onHandlerError, one by one", () => {
    using raw = new RawRing({ entries: 8 });
    const heard: string[] = [];
    raw.onHandlerError = (error) => heard.push((error as Error).message);
    const slots = Array.from({ length: 3 }, (_, i) =>
      raw.allocate(() => {
        throw new Error(`${i}`);
      }),
    );
    for (const slot of slots) raw.nop(slot);
    raw.enter(3);
    expect(raw.reap()).toBe(3);
    expect(heard).toEqual(["0", "1", "2"]);
  });

  test("may be heard by one that throws itself, and the ring still works", () => {
    using raw = new RawRing({ entries: 8 });
    raw.onHandlerError = () => {
      throw new Error("from the listener");
    };
    let done = 0;
    const bad = raw.allocate(() => {
      throw new Error("from the handler");
    });
    const good = raw.allocate(() => done++);
    raw.nop(bad);
    raw.nop(good);
    raw.enter(2);
    expect(() => raw.reap()).toThrow("from the listener");
    raw.nop(good);
    drain(raw);
    expect(done).toBe(2);
  });
});

describe("a handler", () => {
  test("may enter, and reaping from within does nothing", () => {
    using raw = new RawRing({ entries: 8 });
    let inner: number | undefined;
    const order: string[] = [];
    const second = raw.allocate(() => order.push("second"));
    const first = raw.allocate(() => {
      raw.nop(second);
      raw.enter(1);
      inner = raw.reap();
      order.push("first");
    });
    raw.nop(first);
    drain(raw);
    expect(inner).toBe(0);
    expect(order).toEqual(["first", "second"]);
  });

  test("may close the ring in the middle of a batch", () => {
    const raw = new RawRing({ entries: 8 });
    let ran = 0;
    const slots = Array.from({ length: 6 }, (_, i) =>
      raw.allocate(() => {
        ran++;
        if (i === 2) raw.close();
      }),
    );
    for (const slot of slots) raw.nop(slot);
    raw.enter(6);
    raw.reap();
    expect(ran).toBe(3);
    expect(raw.closed).toBe(true);
    expect(raw.reap()).toBe(0);
    expect(() => raw.enter(0)).toThrow(/the ring is closed/);
    expect(() => raw.nop(slots[0]!)).toThrow(TypeError);
    raw.close(); // twice is fine
  });

  test("reads the second half of a 32-byte CQE where it stands", () => {
    const extra = kernelAtLeast("6.18");
    using raw = new RawRing({ entries: 8, cqe: 32 });
    const seen: number[][] = [];
    const slot = raw.allocate(() => seen.push([...raw.cqeWords.slice(raw.cqeAt + 4, raw.cqeAt + 8)]));
    for (let i = 0; i < 20; i++) {
      raw.nop(slot, 0, 0);
      const at = ((i % 8) << 4) as number;
      if (extra) {
        raw.words[at + 7] = 32; // NOP_CQE32: extra1 comes from off, extra2 from addr
        raw.words[at + 2] = i;
        raw.words[at + 4] = i * 2;
      }
      drain(raw);
    }
    expect(seen.length).toBe(20);
    if (extra) expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => [i, 0, i * 2, 0]));
  });

  const mixed = requires(kernelAtLeast("6.18"), "CQEs of both sizes need Linux 6.18");
  mixed("sees CQEs of both sizes on one ring, round and round", () => {
    using raw = new RawRing({ entries: 8, cqe: "mixed" });
    let long = 0;
    let short = 0;
    const slots = Array.from({ length: 5 }, () =>
      raw.allocate((_result, flags) => {
        if ((flags & 0x8000) === 0) short++;
        else {
          expect(raw.cqeWords[raw.cqeAt + 4]).toBe(7);
          long++;
        }
      }),
    );
    let queued = 0;
    for (let round = 0; round < 100; round++) {
      for (const [i, slot] of slots.entries()) {
        raw.nop(slot);
        if ((i + round) % 2 === 0) {
          const at = (queued % 8) << 4;
          raw.words[at + 7] = 32;
          raw.words[at + 2] = 7;
        }
        queued++;
      }
      drain(raw);
    }
    expect([long, short]).toEqual([250, 250]);
    expect(raw.failure).toBeUndefined();
  });
});

describe("enter", () => {
  test("waits no longer than its limit", () => {
    using raw = new RawRing({ entries: 8 });
    using ends = pipe();
    const buffer = new Uint8Array(new ArrayBuffer(8));
    const slot = raw.allocate(() => {});
    raw.read(slot, ends.first, addressOf(buffer), 8, -1, 0);
    raw.enter(0);
    for (const ms of [1, 5, 20]) {
      const started = Bun.nanoseconds();
      expect(raw.enter(1, ms * 1e6)).toBe(-62); // -ETIME
      expect((Bun.nanoseconds() - started) / 1e6).toBeGreaterThanOrEqual(ms);
    }
    sys.write(ends.second, buffer);
    drain(raw);
    expect(raw.inFlight).toBe(0);
  });

  test("says which thread a ring belongs to", async () => {
    using raw = new RawRing({ entries: 8, taskrun: "defer" });
    const worker = new Worker(new URL("./programs/foreign-enter.ts", import.meta.url).href);
    const answer = await new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(raw.fd);
    });
    worker.terminate();
    expect(answer).toEqual({ code: "EEXIST", hint: expect.stringContaining("another thread") });
  });

  test("names a ring that is still disabled", () => {
    using raw = new RawRing({ entries: 8, disabled: true });
    raw.nop(raw.allocate(() => {}));
    expect(() => raw.enter(0)).toThrow(/EBADFD.*register\.enable/);
    expect(raw.failure?.message).toContain("EBADFD");
  });
});
