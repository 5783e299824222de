import { describe, expect, test } from "bun:test";
import { cancel, OperationHandle, POLLHUP, POLLIN, POLLOUT, poll, pollMultishot, pollRemove, pollUpdate, Ring } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { pipe, socketPair } from "./support/descriptors.ts";
import { fillCompletions } from "./support/full-queue.ts";

const byte = new Uint8Array(1);

describe("a repeated poll", () => {
  test("tells each time that there is something new", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const seen: number[] = [];
    sys.write(ends.second, byte);
    for await (const events of ring.run(pollMultishot({ fd: ends.first, events: POLLIN }))) {
      seen.push(events);
      sys.read(ends.first, byte);
      if (seen.length === 5) break;
      sys.write(ends.second, byte);
    }
    expect(seen).toEqual(new Array(5).fill(POLLIN));
    expect(ring.inFlight).toBe(0);
  });

  test("ends with its signal, and with a cancel by its handle", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const handle = new OperationHandle();
    const polls = ring.run(pollMultishot({ fd: ends.first, events: POLLIN }), { handle });
    const next = polls.next().catch((error: unknown) => error);
    while (!handle.inFlight) await Promise.resolve();
    await ring.run(cancel({ target: handle }));
    expect(await next).toMatchObject({ code: "ECANCELED" });
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    const aborted = ring.run(pollMultishot({ fd: ends.first, events: POLLIN }), { signal }).next();
    expect(await aborted.catch((error: unknown) => error)).toBe(reason);
  });

  test("goes on when the kernel ended it because the CQ was full", async () => {
    await using ring = await Ring.open({ entries: 2, cqEntries: 2 });
    using ends = socketPair();
    const handle = new OperationHandle();
    let told = 0;
    let ended = 0;
    sys.write(ends.second, byte);
    for await (const events of ring.run(pollMultishot({ fd: ends.first, events: POLLIN }), { handle })) {
      expect(events & POLLIN).toBe(POLLIN);
      sys.read(ends.first, byte);
      if (++told > 20) break;
      if (told % 5 === 0) fillCompletions(ring);
      sys.write(ends.second, byte);
      ring.raw.enter(0);
      ring.raw.reap();
      if (!handle.inFlight) ended++;
    }
    expect(ended).toBeGreaterThan(0);
    expect(told).toBe(21);
    expect(ring.raw.failure).toBeUndefined();
  });

  test("fails where the file is none", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const next = ring.run(pollMultishot({ fd: 1_000_000, events: POLLIN })).next();
    expect(await next.catch((error: unknown) => error)).toMatchObject({ code: "EBADF", operation: "pollMultishot" });
  });
});

describe("a poll in flight", () => {
  test("waits for other events once it was told", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    const handle = new OperationHandle();
    const waiting = ring.run(poll({ fd: ends.first, events: 0 }), { handle });
    expect(await ring.run(pollUpdate({ target: handle, events: POLLIN }))).toBe(0);
    expect(handle.inFlight).toBe(true);
    expect(await ring.run(pollUpdate({ target: handle, events: POLLOUT }))).toBe(0);
    expect(await waiting).toBe(POLLOUT);
    expect(await ring.settle(pollUpdate({ target: handle, events: POLLIN }))).toMatchObject({
      reason: { code: "ENOENT", operation: "pollUpdate" },
    });
  });

  test("is removed", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const handle = new OperationHandle();
    const waiting = ring.settle(poll({ fd: ends.first, events: POLLIN }), { handle });
    expect(await ring.run(pollRemove({ target: handle }))).toBe(0);
    expect(await waiting).toMatchObject({ reason: { code: "ECANCELED" } });
    expect(await ring.settle(pollRemove({ target: { slot: 0, generation: 55 } }))).toMatchObject({ reason: { code: "ENOENT" } });
  });

  test("tells a hang-up though nobody asked", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const [near, far] = sys.socketpair(1, 1);
    const waiting = ring.run(poll({ fd: near, events: 0 }));
    sys.close(far);
    expect((await waiting) & POLLHUP).toBe(POLLHUP);
    sys.close(near);
  });

  test("gets the user_data of another slot on the raw layer", () => {
    using raw = new RawRing({ entries: 8 });
    using ends = pipe();
    const results: string[] = [];
    const slot = (name: string): number => raw.allocate((result) => results.push(`${name} ${result}`));
    const [old, next, update] = [slot("old"), slot("next"), slot("update")];
    raw.poll(old, ends.first, POLLIN);
    raw.enter(0);
    const generation = raw.arm(next);
    raw.pollUpdate(update, old, raw.generation(old), next, generation, 0, abi.IORING_POLL_UPDATE_USER_DATA);
    raw.enter(1);
    raw.reap();
    raw.skipped(old);
    sys.write(ends.second, byte);
    while (raw.inFlight > 0) {
      raw.enter(1);
      raw.reap();
    }
    expect(results).toEqual(["update 0", `next ${POLLIN}`]);
    expect(raw.failure).toBeUndefined();
  });

  test("is refused as level-triggered, and when it would repeat without telling", () => {
    using raw = new RawRing({ entries: 8 });
    using ends = pipe();
    const results: number[] = [];
    const slots = [0, 1].map(() => raw.allocate((result) => results.push(result), "many"));
    raw.pollMultishot(slots[0]!, ends.first, POLLIN);
    raw.setWord(6, abi.IORING_POLL_ADD_MULTI | abi.IORING_POLL_ADD_LEVEL);
    raw.pollMultishot(slots[1]!, ends.first, POLLIN);
    raw.setFlags(abi.IOSQE_CQE_SKIP_SUCCESS);
    raw.enter(2);
    raw.reap();
    expect(results).toEqual([-22, -22]);
  });
});
