import { describe, expect, test } from "bun:test";
import {
  cancelFd,
  MSG_WAITALL,
  msgRing,
  nop,
  type Operation,
  OperationHandle,
  POLLIN,
  poll,
  Ring,
  read,
  recv,
  type SingleOperation,
  sendZc,
  TimeLimitError,
  timeout,
  timeoutMultishot,
  timeoutUpdate,
  UringError,
  within,
  write,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { abi } from "uring-ublk/uring";
import { memoryFile, pattern, pipe } from "./support/descriptors.ts";
import { failure, tcp } from "./support/network.ts";

const LONG = 60_000;

function expectEmpty(ring: Ring): void {
  expect([ring.inFlight, ring.raw.inFlight, ring.raw.queued]).toEqual([0, 0, 0]);
}

describe("an operation within a time limit", () => {
  test("resolves to its own result, or rejects with its own error", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(100));
    const buffer = new Uint8Array(200);
    expect(await ring.run(within(read({ fd: file.first, buffer, offset: 0 }), LONG))).toBe(100);
    expect(buffer.subarray(0, 100)).toEqual(pattern(100));
    expect(await ring.run(within(timeout({ ms: 1 }), LONG))).toBe("elapsed");
    expect(await ring.settle(within(nop(), 0.5))).toEqual({ status: "fulfilled", value: 0 });
    const error = await failure(ring.run(within(read({ fd: 9999, buffer }), LONG)));
    expect(error).toMatchObject({ code: "EBADF", operation: "read" });
    expect(error).not.toBeInstanceOf(TimeLimitError);
    expectEmpty(ring);
  });

  test("that is late rejects with the limit, and lets go of its buffer", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const buffer = new Uint8Array(4);
    const error = await failure(ring.run(within(read({ fd: ends.first, buffer }), 5)));
    expect(error).toBeInstanceOf(TimeLimitError);
    expect(error).toBeInstanceOf(UringError);
    expect(error).toMatchObject({ name: "TimeLimitError", code: "ETIME", errno: -62, operation: "read", ms: 5 });
    expect((error as Error).message).toMatch(/read.*within 5 ms/);
    expectEmpty(ring);
    sys.write(ends.second, Uint8Array.of(7));
    expect(await ring.run(within(read({ fd: ends.first, buffer: new Uint8Array(4) }), LONG))).toBe(1);
    expect(buffer[0]).toBe(0);
  });

  test("of no time at all still gets what is there at once", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const waiting = within(poll({ fd: ends.first, events: POLLIN }), 0);
    expect(await failure(ring.run(waiting))).toBeInstanceOf(TimeLimitError);
    sys.write(ends.second, Uint8Array.of(7));
    expect(await ring.run(waiting)).toBe(POLLIN);
    expect(await ring.run(within(nop(), 0))).toBe(0);
    expectEmpty(ring);
  });

  test("ends in a worker thread of the kernel too", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    for (let i = 0; i < 5; i++) {
      const buffer = new Uint8Array(4);
      expect(await failure(ring.run(within(read({ fd: ends.first, buffer }).async(), 5)))).toBeInstanceOf(TimeLimitError);
      expectEmpty(ring);
    }
  });

  test("may be a timer, that another operation gives more time, by its handle", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await failure(ring.run(within(timeout({ ms: LONG }), 5)))).toMatchObject({ operation: "timeout", ms: 5 });
    const handle = new OperationHandle();
    const timer = ring.run(within(timeout({ ms: LONG }), LONG), { handle });
    await ring.run(timeoutUpdate({ target: handle, ms: 1 }));
    expect(await timer).toBe("elapsed");
    expect(handle.inFlight).toBe(false);
    expectEmpty(ring);
  });

  test("that somebody else cancels was not late", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const waiting = ring.settle(within(poll({ fd: ends.first, events: POLLIN }), LONG));
    expect(await ring.run(cancelFd({ fd: ends.first }))).toBe(1);
    const settled = await waiting;
    expect(settled).toMatchObject({ status: "failed", reason: { code: "ECANCELED", name: "UringError" } });
    expectEmpty(ring);
  });

  test("is aborted by its signal, with the signal's reason, before and after it has begun", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const reason = new Error("no longer wanted");
    const waiting = within(poll({ fd: ends.first, events: POLLIN }), LONG);
    expect(await failure(ring.run(waiting, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    for (const submitted of [false, true]) {
      const abort = new AbortController();
      const running = ring.run(waiting, { signal: abort.signal });
      if (submitted) ring.raw.enter(0);
      abort.abort(reason);
      expect(await failure(running)).toBe(reason);
      expectEmpty(ring);
    }
  });

  test("in a race with its end, with a signal and with the ring's end settles once", async () => {
    for (let i = 0; i < 40; i++) {
      const ring = await Ring.open({ entries: 16 });
      const settled = Array.from({ length: 25 }, (_, k) => {
        const signal = k % 5 === 0 ? { signal: AbortSignal.timeout(1) } : {};
        return ring.settle(within(timeout({ ms: 0.5 + (k % 7) / 10 }), 0.5 + (k % 5) / 10), signal);
      });
      if (i % 2 === 0) await Promise.race(settled);
      await ring.close();
      const names = (await Promise.all(settled)).map((one) => (one.status === "fulfilled" ? one.value : (one.reason as Error).name));
      for (const name of names) expect(["elapsed", "TimeLimitError", "TimeoutError", "UringError"]).toContain(name);
      expect(ring.raw.inFlight).toBe(0);
    }
  });

  test("keeps what it did in the race: no byte is lost", async () => {
    await using ring = await Ring.open({ entries: 32 });
    using ends = pipe();
    let got = 0;
    let late = 0;
    const reader = async (): Promise<void> => {
      while (got < 2000) {
        const settled = await ring.settle(within(read({ fd: ends.first, buffer: new Uint8Array(1) }), 0.1));
        if (settled.status === "fulfilled") got += settled.value;
        else {
          expect(settled.reason).toBeInstanceOf(TimeLimitError);
          late++;
        }
      }
    };
    const reading = Promise.all([reader(), reader(), reader()]);
    for (let i = 0; i < 2002; i++) {
      await ring.run(write({ fd: ends.second, buffer: Uint8Array.of(1) }));
      if (i % 20 === 0) await ring.run(timeout({ ms: 0.1 + (i % 7) / 20 }));
    }
    await reading;
    // What was written is what was read, and what is still in the pipe.
    const rest = await ring.settle(within(read({ fd: ends.first, buffer: new Uint8Array(10) }), 0));
    expect(got + (rest.status === "fulfilled" ? rest.value : 0)).toBe(2002);
    expect(late).toBeGreaterThan(0);
    expectEmpty(ring);
  });
});

describe("a time limit", () => {
  test("goes behind its operation in one submit, also when the queue is nearly full", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    let done = 0;
    const slots = Array.from({ length: 7 }, () => ring.raw.allocate(() => done++));
    for (const slot of slots) ring.raw.nop(slot);
    const waiting = ring.settle(within(poll({ fd: ends.first, events: POLLIN }), 5));
    expect(ring.raw.queued).toBe(2);
    const { words } = ring.raw;
    expect([words[7 * 16]! & 0xff, (words[7 * 16]! >> 8) & 0xff]).toEqual([abi.IORING_OP_POLL_ADD, abi.IOSQE_IO_LINK]);
    expect(words[0]! & 0xffff).toBe(abi.IORING_OP_LINK_TIMEOUT);
    expect(await waiting).toMatchObject({ status: "failed", reason: { code: "ETIME" } });
    expect(done).toBe(7);
    for (const slot of slots) ring.raw.release(slot);
    expectEmpty(ring);
  });

  test("holds where the kernel takes a submit in parts, and cuts links", async () => {
    // Rings that share an SQPOLL thread get 8 SQEs at a time.
    await using first = await Ring.open({ entries: 64, sqpoll: { idleMs: 20 } });
    await using ring = await Ring.open({ entries: 64, sqpoll: { idleMs: 20 }, attachTo: first.record.fd });
    using ends = pipe();
    for (let shift = 0; shift < 3; shift++) {
      const ahead = Array.from({ length: shift }, () => ring.run(nop()));
      const waiting = Array.from({ length: 20 }, () => ring.settle(within(poll({ fd: ends.first, events: POLLIN }), 5)));
      await Promise.all(ahead);
      for (const one of await Promise.all(waiting)) expect(one).toMatchObject({ status: "failed", reason: { code: "ETIME", ms: 5 } });
      expect(await Promise.all(Array.from({ length: 21 }, () => ring.run(within(nop(), LONG))))).toEqual(new Array(21).fill(0));
      while (ring.raw.inFlight > 0) await Bun.sleep(0);
      expectEmpty(ring);
    }
  });

  test("runs from when the kernel starts the operation: a drain does not count", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const order: string[] = [];
    const before = ring.run(timeout({ ms: 40 })).then(() => order.push("before"));
    const drained = [within(nop().drain(), 5), within(nop(), 5).drain()].map((operation) =>
      ring.run(operation).then((result) => {
        order.push("drained");
        return result;
      }),
    );
    const late = ring.settle(within(poll({ fd: ends.first, events: POLLIN }), 5).drain());
    await before;
    expect(await Promise.all(drained)).toEqual([0, 0]);
    expect(order).toEqual(["before", "drained", "drained"]);
    expect(await late).toMatchObject({ status: "failed", reason: { code: "ETIME" } });
    expectEmpty(ring);
  });

  test("waits for room with its operation, in order", async () => {
    await using ring = await Ring.open({ entries: 2, cqEntries: 4 });
    using ends = pipe();
    const late = ring.settle(within(poll({ fd: ends.first, events: POLLIN }), 5));
    const more = Array.from({ length: 50 }, (_, i) => ring.run(i % 2 === 0 ? within(nop(), LONG) : nop()));
    expect(ring.raw.inFlight).toBeLessThanOrEqual(4);
    expect(await Promise.all(more)).toEqual(new Array(50).fill(0));
    expect(await late).toMatchObject({ status: "failed", reason: { code: "ETIME" } });
    expectEmpty(ring);
  });

  test("is the smaller one of two", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect([within(within(nop(), 5), 10).timeLimit, within(within(nop(), 10), 5).timeLimit, nop().timeLimit]).toEqual([5, 5, undefined]);
    expect(await failure(ring.run(within(within(timeout({ ms: LONG }), LONG), 5)))).toMatchObject({ ms: 5 });
    expect(await failure(ring.run(within(within(timeout({ ms: LONG }), 5), LONG)))).toMatchObject({ ms: 5 });
  });

  test("makes another value, and leaves the operation as it is", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const plain = nop();
    const limited = within(plain, 5);
    expect([limited.name, limited.opcode, limited.timeLimit]).toEqual(["nop", abi.IORING_OP_NOP, 5]);
    expect(plain.timeLimit).toBeUndefined();
    expect(limited.async().drain().timeLimit).toBe(5);
    expect(ring.supports(limited)).toBe(true);
    expect(await Promise.all([ring.run(limited), ring.run(plain), ring.run(limited)])).toEqual([0, 0, 0]);
  });

  test("of a zero-copy send ends at its result, and the notification comes all the same", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = await tcp(ring);
    const data = pattern(64 << 20);
    // The whole does not fit into the connection, and nobody reads: a part is sent.
    const { bytes, released } = await ring.run(within(sendZc({ fd: ends.near.fd, buffer: data, flags: MSG_WAITALL }), 50));
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(data.length);
    // No more than that goes in.
    const more = await ring.settle(within(sendZc({ fd: ends.near.fd, buffer: new Uint8Array(1 << 20), flags: MSG_WAITALL }), 20));
    if (more.status === "failed") expect(more.reason).toBeInstanceOf(TimeLimitError);
    const total = bytes + (more.status === "fulfilled" ? more.value.bytes : 0);
    const received = new Uint8Array(total);
    expect(await ring.run(within(recv({ fd: ends.far.fd, buffer: received, flags: MSG_WAITALL }), LONG))).toBe(total);
    expect(Buffer.compare(received.subarray(0, bytes), data.subarray(0, bytes))).toBe(0);
    await released;
    if (more.status === "fulfilled") await more.value.released;
    while (ring.raw.inFlight > 0) await Bun.sleep(0); // the notification of what was late
    expectEmpty(ring);
  });
});

describe("a time limit is refused", () => {
  test("for what is no operation, what completes many times, and odd milliseconds", () => {
    const ticks = timeoutMultishot({ ms: 1 }) as unknown as SingleOperation<"elapsed">;
    expect(() => within(ticks, 5)).toThrow(/'timeoutMultishot' completes many times/);
    expect(() => within({} as Operation<number>, 5)).toThrow(/within: give it an operation/);
    for (const [ms, shown] of [
      [-1, "-1"],
      [Number.NaN, "NaN"],
      [Number.POSITIVE_INFINITY, "Infinity"],
      ["5", "'5'"],
      [undefined, "undefined"],
    ] as [number, string][])
      expect(() => within(nop(), ms)).toThrow(new RangeError(`within: ms is ${shown}; it must be a number of milliseconds of at least 0`));
    const message = within(msgRing({ to: { fd: 1, slot: 0, generation: 0 } as never, result: 1 }), 5) as Operation<unknown>;
    expect(() => message.personality(1)).toThrow(/refuses it with a personality/);
  });

  test("on rings that cannot have one, before anything is queued", async () => {
    await using polling = await Ring.open({ entries: 8, iopoll: true });
    expect(await failure(polling.run(within(nop(), 5)))).toMatchObject({ name: "TypeError", message: expect.stringMatching(/iopoll/) });
    await using tiny = await Ring.open({ entries: 1, cqEntries: 1 });
    expect(await failure(tiny.run(within(nop(), 5)))).toMatchObject({ name: "RangeError", message: expect.stringMatching(/cqEntries: 2/) });
    expect(await tiny.run(nop())).toBe(0);
    for (const ring of [polling, tiny]) expectEmpty(ring);
  });

  test("with the operation that cannot be encoded, and nothing is kept", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const free = ring.raw.freeSlots;
    expect(await failure(ring.run(within(read({ fd: 1.5, buffer: new Uint8Array(1) }), 5)))).toBeInstanceOf(RangeError);
    expect(ring.raw.freeSlots).toBe(free);
    expectEmpty(ring);
  });
});
