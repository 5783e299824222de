import { describe, expect, test } from "bun:test";
import { nop, OperationHandle, Ring, timeout, timeoutMultishot, timeoutRemove, timeoutUpdate } from "uring-ublk";
import { Arena } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { pipe } from "./support/descriptors.ts";
import { fillCompletions } from "./support/full-queue.ts";

const multishot = requires(kernelAtLeast("6.4"), "ticking timers need Linux 6.4");
const DAY = 86_400_000;

describe("a timer", () => {
  for (const clock of ["monotonic", "boottime", "realtime"] as const) {
    test(`follows the ${clock} clock`, async () => {
      await using ring = await Ring.open({ entries: 8 });
      const started = Bun.nanoseconds();
      expect(await ring.run(timeout({ ms: 4, clock }))).toBe("elapsed");
      expect((Bun.nanoseconds() - started) / 1e6).toBeGreaterThanOrEqual(4);
      expect(await ring.run(timeout({ ms: 1, absolute: true, clock }))).toBe("elapsed"); // long past
    });
  }

  test("ends at a time of day", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const until = Date.now() + 20;
    expect(await ring.run(timeout({ ms: until, absolute: true, clock: "realtime" }))).toBe("elapsed");
    expect(Date.now()).toBeGreaterThanOrEqual(until);
  });

  test("may be so long that its nanoseconds are no safe number", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const handle = new OperationHandle();
    const waiting = ring.settle(timeout({ ms: 400 * DAY }), { handle });
    await ring.run(timeoutRemove({ target: handle }));
    expect(await waiting).toMatchObject({ reason: { code: "ECANCELED" } });
  });

  test("says what is wrong with what it is told", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const bad = async (options: object) => String(((await ring.settle(timeout(options as never))) as { reason: unknown }).reason);
    expect(await bad({ ms: -1 })).toContain("ms is -1");
    expect(await bad({ ms: "5" })).toContain("ms is '5'");
    expect(await bad({ ms: 5, clock: "realtimes" })).toContain("did you mean 'realtime'");
    expect(await bad({ ms: 5, completions: -1 })).toContain("completions is -1");
    expect(await bad({ ms: 5, completions: 2 ** 32 })).toContain("completions is 4294967296");
    expect(await bad({ ms: 5, absolute: 1 })).toContain("absolute is 1");
  });
});

describe("a ticking timer", () => {
  multishot("ticks as often as it is told", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const started = Bun.nanoseconds();
    const ticks: string[] = [];
    for await (const tick of ring.run(timeoutMultishot({ ms: 2, count: 5 }))) ticks.push(tick);
    expect(ticks).toEqual(new Array(5).fill("elapsed"));
    expect((Bun.nanoseconds() - started) / 1e6).toBeGreaterThanOrEqual(10);
    expect(ring.inFlight).toBe(0);
  });

  multishot("ticks until the loop is left, or aborted", async () => {
    await using ring = await Ring.open({ entries: 8 });
    let ticks = 0;
    for await (const _ of ring.run(timeoutMultishot({ ms: 1 }))) if (++ticks === 3) break;
    expect(ring.inFlight).toBe(0);
    const abort = new AbortController();
    const reason = new Error("enough");
    const counting = (async () => {
      for await (const _ of ring.run(timeoutMultishot({ ms: 1 }), { signal: abort.signal })) if (++ticks === 6) abort.abort(reason);
    })();
    expect(await counting.catch((error: unknown) => error)).toBe(reason);
    expect(ring.inFlight).toBe(0);
  });

  // A tick that is due has left the kernel's list of timers, and comes back to it: a cancel in between finds nothing.
  multishot("is left, or aborted, while a tick is due", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const tickIsDue = () => {
      for (const until = Bun.nanoseconds() + 5e6; Bun.nanoseconds() < until; );
    };
    for await (const _ of ring.run(timeoutMultishot({ ms: 2 }))) {
      tickIsDue();
      break;
    }
    expect(ring.inFlight).toBe(0);
    const abort = new AbortController();
    const reason = new Error("enough");
    const ticks = ring.run(timeoutMultishot({ ms: 2 }), { signal: abort.signal });
    await ticks.next();
    tickIsDue();
    abort.abort(reason);
    const rest = (async () => {
      for await (const _ of ticks);
    })();
    expect(await rest.catch((error: unknown) => error)).toBe(reason);
    expect(ring.inFlight).toBe(0);
  });

  multishot("goes on when the kernel ended it because the CQ was full", async () => {
    await using ring = await Ring.open({ entries: 2, cqEntries: 2 });
    const handle = new OperationHandle();
    let ticks = 0;
    let ended = 0;
    for await (const _ of ring.run(timeoutMultishot({ ms: 0.2, count: 40 }), { handle })) {
      if (++ticks % 10 !== 0) continue;
      fillCompletions(ring);
      for (const until = Bun.nanoseconds() + 1e6; Bun.nanoseconds() < until; );
      // The last CQE came while there was no room: the kernel adds it once there is.
      for (let look = 0; look < 2; look++) {
        ring.raw.enter(0);
        ring.raw.reap();
      }
      if (!handle.inFlight) ended++;
    }
    expect(ended).toBeGreaterThan(0);
    expect(ticks).toBe(40);
    expect(ring.raw.failure).toBeUndefined();
  });

  multishot("refuses what is no period", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const start = async (options: object) => {
      for await (const _ of ring.run(timeoutMultishot(options as never)));
    };
    expect(start({ ms: 0 })).rejects.toThrow(/ms is 0/);
    expect(start({ ms: 1, count: 0 })).rejects.toThrow(/count is 0/);
    expect(() => timeoutMultishot({ ms: 1, absolute: true } as never)).toThrow(/no option 'absolute'/);
  });
});

describe("a timer in flight", () => {
  test("gets another time, from now or a point of its clock", async () => {
    await using ring = await Ring.open({ entries: 8 });
    for (const clock of ["monotonic", "realtime"] as const) {
      const handle = new OperationHandle();
      const waiting = ring.run(timeout({ ms: DAY, clock }), { handle });
      expect(await ring.run(timeoutUpdate({ target: handle, ms: 2 * DAY }))).toBe(0);
      expect(handle.inFlight).toBe(true);
      expect(await ring.run(timeoutUpdate({ target: handle, ms: clock === "realtime" ? Date.now() : 1, absolute: true }))).toBe(0);
      expect(await waiting).toBe("elapsed");
      expect(await ring.settle(timeoutUpdate({ target: handle, ms: 1 }))).toMatchObject({
        reason: { code: "ENOENT", operation: "timeoutUpdate" },
      });
    }
  });

  test("is removed", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const handle = new OperationHandle();
    const waiting = ring.settle(timeout({ ms: DAY }), { handle });
    expect(await ring.run(timeoutRemove({ target: handle }))).toBe(0);
    expect(await waiting).toMatchObject({ reason: { code: "ECANCELED", operation: "timeout" } });
    expect(await ring.settle(timeoutRemove({ target: handle }))).toMatchObject({ reason: { code: "ENOENT" } });
    // The kernel says the same of a raw one.
    expect(await ring.settle(timeoutRemove({ target: { slot: 1, generation: 77 } }))).toMatchObject({
      reason: { code: "ENOENT", hint: expect.stringContaining("elapsed") },
    });
  });
});

describe("a timer in a link", () => {
  const linked = (flags: number): number[] => {
    using raw = new RawRing({ entries: 8 });
    using memory = Arena.allocate(4096);
    memory.words()[2] = 100_000;
    const results: number[] = [];
    const slots = [0, 1].map((n) =>
      raw.allocate((result) => {
        results[n] = result;
      }),
    );
    raw.timeout(slots[0]!, memory.address, 0, flags);
    raw.setFlags(abi.IOSQE_IO_LINK);
    raw.nop(slots[1]!);
    while (raw.inFlight > 0) {
      raw.enter(1);
      raw.reap();
    }
    raw.close();
    return results;
  };

  test("severs it by elapsing, unless that counts as success", () => {
    expect(linked(0)).toEqual([-62, -125]);
    expect(linked(abi.IORING_TIMEOUT_ETIME_SUCCESS)).toEqual([-62, 0]);
  });

  test("bounds the operation before it, and can be given another time", () => {
    using raw = new RawRing({ entries: 8 });
    using memory = Arena.allocate(4096);
    using ends = pipe();
    const words = memory.words();
    words[0] = 1000;
    words[4 + 2] = 1_000_000;
    const results: Record<string, number> = {};
    const slot = (name: string): number =>
      raw.allocate((result) => {
        results[name] = result;
      });
    const [polling, limit, update] = [slot("poll"), slot("limit"), slot("update")];
    raw.poll(polling, ends.first, 1);
    raw.setFlags(abi.IOSQE_IO_LINK);
    raw.linkTimeout(limit, memory.address, 0);
    raw.enter(0);
    raw.timeoutUpdate(update, limit, raw.generation(limit), memory.address + 16, abi.IORING_LINK_TIMEOUT_UPDATE);
    while (raw.inFlight > 0) {
      raw.enter(1);
      raw.reap();
    }
    expect(results).toEqual({ poll: -125, limit: -62, update: 0 });
    raw.close();
  });

  test("is told by its flag on the described layer", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await ring.run(timeout({ ms: 1, etimeSuccess: true }))).toBe("elapsed");
    expect(await ring.run(nop())).toBe(0);
  });
});
