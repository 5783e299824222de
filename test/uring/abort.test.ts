import { describe, expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { closeDirect, FixedFile, nop, openat, openatDirect, Ring, read, timeout } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { descriptorsDownTo, openDescriptors, pipe } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );
const reason = new Error("no longer wanted");

function aborted(): AbortSignal {
  return AbortSignal.abort(reason);
}

/** How many descriptors of this process lead to the path. */
function descriptorsTo(path: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false; // the folder's own
    }
  }).length;
}

describe("an operation that is aborted", () => {
  test("before it is run never starts", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    expect(await failure(ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) }), { signal: aborted() }))).toBe(reason);
    expect(ring.inFlight).toBe(0);
    expect(ring.raw.queued).toBe(0);
  });

  test("before it is submitted is cancelled all the same", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const abort = new AbortController();
    const reading = ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) }), { signal: abort.signal });
    abort.abort(reason); // in the same tick
    expect(await failure(reading)).toBe(reason);
    expect(ring.inFlight).toBe(0);
  });

  test("in flight settles only after its CQE", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const abort = new AbortController();
    const buffer = new Uint8Array(1);
    const reading = ring.run(read({ fd: ends.first, buffer }), { signal: abort.signal });
    await Bun.sleep(1);
    abort.abort(reason);
    expect(ring.inFlight).toBe(1);
    expect(await failure(reading)).toBe(reason);
    expect(ring.inFlight).toBe(0);
    sys.write(ends.second, Uint8Array.of(7)); // nobody takes it
    await Bun.sleep(1);
    expect(buffer[0]).toBe(0);
  });

  test("after it completed keeps its result", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const abort = new AbortController();
    const running = ring.run(nop(), { signal: abort.signal });
    expect(await running).toBe(0);
    abort.abort(reason);
    expect(await running).toBe(0);
    expect(await ring.run(nop())).toBe(0);
  });

  test("by a signal shared with others ends with all of them", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const abort = new AbortController();
    const { signal } = abort;
    const all = [
      ...Array.from({ length: 10 }, () => ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) }), { signal })),
      ring.run(timeout({ ms: 60_000 }), { signal }),
    ];
    await Bun.sleep(1);
    abort.abort(reason);
    for (const one of all) expect(await failure(one as Promise<unknown>)).toBe(reason);
  });

  test("by a time limit rejects with the limit's own error", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const error = await failure(ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) }), { signal: AbortSignal.timeout(5) }));
    expect(error).toMatchObject({ name: "TimeoutError" });
  });

  test("leaves no listener behind on a long-lived signal", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = function (this: AbortSignal, ...args: Parameters<typeof addEventListener>) {
      listeners++;
      addEventListener.apply(this, args);
    } as typeof addEventListener;
    signal.removeEventListener = function (this: AbortSignal, ...args: Parameters<typeof removeEventListener>) {
      listeners--;
      removeEventListener.apply(this, args);
    } as typeof removeEventListener;
    await Promise.all(Array.from({ length: 100 }, () => ring.run(nop(), { signal })));
    await failure(ring.run(read({ fd: 1.5, buffer: new Uint8Array(1) }), { signal }));
    expect(listeners).toBe(0);
  });
});

describe("a descriptor that arrives after the abort", () => {
  test("is closed", async () => {
    await using ring = await Ring.open({ entries: 64 });
    const path = "/proc/sys/kernel/ostype";
    let crossed = 0;
    for (let i = 0; i < 300; i++) {
      const abort = new AbortController();
      const opening = ring.run(openat({ path }), { signal: abort.signal });
      if (i % 2 === 1) ring.raw.enter(0); // the kernel has opened it; its CQE waits to be seen
      abort.abort(reason);
      const outcome = await opening.catch((error: unknown) => error);
      expect(outcome).toBe(reason);
      crossed++;
    }
    expect(crossed).toBe(300);
    expect(descriptorsTo(path)).toBe(0);
  });

  test("in a slot of the file table is taken out again", async () => {
    await using ring = await Ring.open({ entries: 64, fixedFiles: 2 });
    for (let i = 0; i < 50; i++) {
      const abort = new AbortController();
      const slot = i % 2 === 0 ? ("any" as const) : new FixedFile(1);
      const opening = ring.run(openatDirect({ path: "/proc/version", slot }), { signal: abort.signal });
      ring.raw.enter(0);
      abort.abort(reason);
      expect(await failure(opening)).toBe(reason);
    }
    // Both slots are empty: both can be filled.
    const first = await ring.run(openatDirect({ path: "/proc/version", slot: "any" }));
    const second = await ring.run(openatDirect({ path: "/proc/version", slot: "any" }));
    expect([first.slot, second.slot].sort()).toEqual([0, 1]);
    await ring.run(closeDirect({ slot: first }));
  });

  test("because the ring is closed, is closed too", async () => {
    const before = openDescriptors();
    for (let i = 0; i < 50; i++) {
      const ring = await Ring.open({ entries: 8 });
      const opening = ring.settle(openat({ path: "/proc/version" }));
      if (i % 2 === 1) ring.raw.enter(0);
      await ring.close();
      expect(await opening).toMatchObject({ status: "cancelled", reason: { code: "ECANCELED" } });
    }
    expect(await descriptorsDownTo(before)).toBeLessThanOrEqual(before);
  });
});
