import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { cancelFd, nop, POLLIN, POLLOUT, poll, Ring, read, timeout } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { pipe } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

describe("a NOP", () => {
  const inject = requires(kernelAtLeast("6.10"), "injected results need Linux 6.10");
  inject("completes with the result it was told", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await ring.run(nop({ result: 42 }))).toBe(42);
    expect(await failure(ring.run(nop({ result: -28 })))).toMatchObject({ code: "ENOSPC", operation: "nop" });
    expect(await ring.settle(nop({ result: -5 }))).toMatchObject({
      status: "failed",
      reason: { code: "EIO" },
    });
    expect(await ring.settle(nop({ result: 3 }))).toEqual({ status: "fulfilled", value: 3 });
  });
});

describe("a timeout", () => {
  test("elapses after its time, and not before", async () => {
    await using ring = await Ring.open({ entries: 8 });
    for (const ms of [0, 0.5, 3, 12.75]) {
      const started = Bun.nanoseconds();
      expect(await ring.run(timeout({ ms }))).toBe("elapsed");
      expect((Bun.nanoseconds() - started) / 1e6).toBeGreaterThanOrEqual(ms);
    }
  });

  test("ends early when enough other operations have completed", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const waiting = ring.run(timeout({ ms: 10_000, completions: 2 }));
    await ring.run(nop());
    await ring.run(nop());
    expect(await waiting).toBe("completions");
  });

  test("takes a point in time of the monotonic clock", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const uptime = Number.parseFloat(readFileSync("/proc/uptime", "utf8")) * 1000; // exact to 10 ms
    const started = performance.now();
    expect(await ring.run(timeout({ ms: uptime + 40, absolute: true }))).toBe("elapsed");
    expect(performance.now() - started).toBeGreaterThanOrEqual(20);
    expect(await ring.run(timeout({ ms: 1, absolute: true }))).toBe("elapsed"); // long past
  });

  test("refuses a time that is none", async () => {
    await using ring = await Ring.open({ entries: 8 });
    for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(await failure(ring.run(timeout({ ms })))).toBeInstanceOf(RangeError);
  });
});

describe("a poll", () => {
  test("waits for data, and tells the events that are set", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    expect(await ring.run(poll({ fd: ends.second, events: POLLIN | POLLOUT }))).toBe(POLLOUT);
    const waiting = ring.run(poll({ fd: ends.first, events: POLLIN }));
    sys.write(ends.second, new Uint8Array(1));
    expect(await waiting).toBe(POLLIN);
    expect(await failure(ring.run(poll({ fd: 1_000_000, events: POLLIN })))).toMatchObject({
      code: "EBADF",
      operation: "poll",
    });
  });
});

describe("cancelFd", () => {
  test("cancels every operation on a descriptor and counts them", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    using other = pipe();
    const reads = Array.from({ length: 3 }, () => ring.settle(read({ fd: ends.first, buffer: new Uint8Array(1) })));
    const spared = ring.run(read({ fd: other.first, buffer: new Uint8Array(1) }));
    expect(await ring.run(cancelFd({ fd: ends.first }))).toBe(3);
    for (const settled of await Promise.all(reads)) expect(settled).toMatchObject({ status: "failed", reason: { code: "ECANCELED" } });
    expect(await ring.run(cancelFd({ fd: ends.first }))).toBe(0);
    sys.write(other.second, new Uint8Array(1));
    expect(await spared).toBe(1);
  });
});
