import { describe, expect, test } from "bun:test";
import { MSG_WAITALL, Ring, recv, recvMultishot, send, sendZc } from "uring-ublk";
import { Arena, addressOf, sys } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { pattern, SOCK_DGRAM, socketPair, tcpPair } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytesOf = (words: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(words);

describe("send and recv", () => {
  test("carry data over a socket, and report its end", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const { first: a, second: b } = socketPair();
    const buffer = new Uint8Array(64);
    const waiting = ring.run(recv({ fd: b, buffer }));
    expect(await ring.run(send({ fd: a, buffer: bytesOf("hello") }))).toBe(5);
    expect(await waiting).toBe(5);
    expect(text(buffer.subarray(0, 5))).toBe("hello");
    sys.close(a);
    expect(await ring.run(recv({ fd: b, buffer }))).toBe(0);
    sys.close(b);
  });

  test("wait for the whole length with MSG_WAITALL", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    const buffer = new Uint8Array(10);
    const waiting = ring.run(recv({ fd: ends.second, buffer, flags: MSG_WAITALL }));
    await ring.run(send({ fd: ends.first, buffer: bytesOf("01234") }));
    await ring.run(send({ fd: ends.first, buffer: bytesOf("56789") }));
    expect(await waiting).toBe(10);
    expect(text(buffer)).toBe("0123456789");
  });

  test("turn a vanished reader into EPIPE, not into a signal", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const { first: a, second: b } = socketPair();
    sys.close(b);
    expect(await failure(ring.run(send({ fd: a, buffer: bytesOf("x") })))).toMatchObject({
      code: "EPIPE",
      operation: "send",
    });
    sys.close(a);
  });
});

const zeroCopy = requires(kernelAtLeast("6.0"), "SEND_ZC needs Linux 6.0");

describe("a zero-copy send over TCP", () => {
  zeroCopy("resolves to the bytes sent, and later tells that the buffer is free", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = tcpPair();
    const data = pattern(100_000);
    const received = new Uint8Array(data.length);
    let sent = 0;
    let got = 0;
    const releases: Promise<void>[] = [];
    while (sent < data.length) {
      const { bytes, released } = await ring.run(sendZc({ fd: ends.first, buffer: data.subarray(sent) }));
      expect(bytes).toBeGreaterThan(0);
      sent += bytes;
      releases.push(released);
      while (got < sent) got += await ring.run(recv({ fd: ends.second, buffer: received.subarray(got) }));
    }
    await Promise.all(releases); // loopback: once the receiver has it
    expect(received).toEqual(data);
    expect(ring.inFlight).toBe(0);
    expect(ring.raw.inFlight).toBe(0);
  });

  zeroCopy("posts two CQEs on one slot, the second of them the notification", () => {
    using ends = tcpPair();
    using raw = new RawRing({ entries: 8 });
    const data = pattern(1000);
    const seen: [number, number][] = [];
    const slot = raw.allocate((result, flags) => seen.push([result, flags]), "notify");
    raw.sendZc(slot, ends.first, addressOf(data), data.length, 0);
    raw.enter(1);
    sys.read(ends.second, new Uint8Array(1000));
    while (raw.inFlight > 0) {
      raw.enter(1);
      raw.reap();
    }
    expect(seen.length).toBe(2);
    expect(seen[0]).toEqual([1000, 2]); // F_MORE
    expect(seen[1]![1] & 8).toBe(8); // F_NOTIF
  });

  zeroCopy("fails with one CQE and keeps nothing", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await failure(ring.run(sendZc({ fd: 1_000_000, buffer: pattern(10) })))).toMatchObject({
      code: "EBADF",
      operation: "sendZc",
    });
    const { first: a, second: b } = tcpPair();
    sys.close(b);
    let error: unknown;
    for (let i = 0; i < 50 && error === undefined; i++) {
      await ring.run(sendZc({ fd: a, buffer: pattern(1000) })).catch((e: unknown) => {
        error = e;
      });
      await Bun.sleep(1);
    }
    expect(["EPIPE", "ECONNRESET"]).toContain((error as { code: string }).code);
    sys.close(a);
  });

  zeroCopy("settles when it is aborted, whether before, during or after its result", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = tcpPair();
    const chunk = pattern(200_000); // sends block once the buffers are full
    let cancelled = 0;
    for (let i = 0; i < 30; i++) {
      const abort = new AbortController();
      const sending = ring.run(sendZc({ fd: ends.first, buffer: chunk, flags: MSG_WAITALL }), {
        signal: abort.signal,
      });
      if (i % 3 !== 0) await Bun.sleep(i % 3);
      abort.abort(new Error("stop"));
      const outcome = await sending.then(
        (sent) => sent.bytes,
        (error: unknown) => error,
      );
      if (outcome instanceof Error) {
        expect(outcome.message).toBe("stop");
        cancelled++;
      } else expect(outcome).toBeGreaterThan(0); // a part was sent: its buffer is still in use
    }
    expect(cancelled).toBeGreaterThan(0);
    const started = performance.now();
    await ring.close(); // nobody reads: it waits for the notifications, but not for ever
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

const multishot = requires(kernelAtLeast("6.0"), "multishot receives need Linux 6.0");

describe("a multishot receive", () => {
  multishot("yields every message in its own buffer, and ends with the stream", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const { first: a, second: b } = socketPair();
    using group = ring.bufferGroup({ buffers: 4, size: 32 });
    const seen: string[] = [];
    const done = (async () => {
      for await (const chunk of ring.run(recvMultishot({ fd: b, group }))) seen.push(text(chunk.bytes));
    })();
    for (let i = 0; i < 50; i++) {
      await ring.run(send({ fd: a, buffer: bytesOf(`message ${i}`) }));
      while (seen.length <= i) await Bun.sleep(0);
    }
    sys.close(a);
    await done;
    expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => `message ${i}`));
    expect(group.held).toBe(0);
    expect(ring.inFlight).toBe(0);
    sys.close(b);
  });

  multishot("lends its bytes until the next step, and keep() copies them", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 1, size: 16 });
    const kept: Uint8Array[] = [];
    let lent: Uint8Array | undefined;
    await ring.run(send({ fd: ends.first, buffer: bytesOf("first") }));
    for await (const chunk of ring.run(recvMultishot({ fd: ends.second, group }))) {
      kept.push(chunk.keep());
      if (kept.length === 2) break;
      lent = chunk.bytes;
      setTimeout(() => sys.write(ends.first, bytesOf("other")), 1);
    }
    expect(kept.map(text)).toEqual(["first", "other"]);
    expect(text(lent!)).toBe("other"); // the one buffer was used again
  });

  multishot("gives every buffer back when the loop is left", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair(SOCK_DGRAM);
    using group = ring.bufferGroup({ buffers: 8, size: 64 });
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 4; i++) sys.write(ends.first, bytesOf(`${round}.${i}`));
      let count = 0;
      for await (const chunk of ring.run(recvMultishot({ fd: ends.second, group }))) {
        expect(chunk.bytes.length).toBeGreaterThan(0);
        if (++count === 2) break; // more may have arrived already
      }
      expect(group.held).toBe(0);
      expect(ring.inFlight).toBe(0);
    }
  });

  multishot("is left at once even when nothing else wakes the ring", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 8, size: 64 });
    for (let i = 0; i < 200; i++) {
      sys.write(ends.first, bytesOf("x"));
      for await (const chunk of ring.run(recvMultishot({ fd: ends.second, group }))) {
        expect(chunk.bytes.length).toBe(1);
        break;
      }
    }
    expect(ring.raw.inFlight).toBe(0);
  });

  multishot("ends with the signal's reason, after what had arrived, and leaks no buffer", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair(SOCK_DGRAM);
    using group = ring.bufferGroup({ buffers: 8, size: 64 });
    for (let round = 0; round < 50; round++) {
      const abort = new AbortController();
      const reason = new Error("enough");
      let caught: unknown;
      let count = 0;
      const loop = (async () => {
        try {
          for await (const _ of ring.run(recvMultishot({ fd: ends.second, group }), { signal: abort.signal })) count++;
        } catch (error) {
          caught = error;
        }
      })();
      await Bun.sleep(0);
      for (let i = 0; i < 3; i++) sys.write(ends.first, bytesOf(`${i}`));
      if (round % 3 === 0) await Bun.sleep(0);
      if (round % 3 === 1) ring.raw.enter(0); // the kernel has filled buffers; their CQEs wait to be seen
      abort.abort(reason); // data is on its way: its buffers must come back
      await loop;
      expect(caught).toBe(reason);
      expect(group.held).toBe(0);
      // What the abort crossed with may be lost, but no buffer is.
      for (let i = 0; i < 4; i++) sys.write(ends.first, bytesOf("rest"));
      sys.write(ends.first, bytesOf("end"));
      for await (const chunk of ring.run(recvMultishot({ fd: ends.second, group }))) {
        if (text(chunk.bytes) === "end") break;
      }
      expect(group.held).toBe(0);
      expect(count).toBeLessThanOrEqual(3);
    }
    // A leak in any round would have left none by now.
    sys.write(ends.first, bytesOf("last"));
    for await (const chunk of ring.run(recvMultishot({ fd: ends.second, group }))) {
      expect(text(chunk.bytes)).toBe("last");
      break;
    }
  });

  multishot("pauses when the group runs dry, and loses nothing", async () => {
    await using ring = await Ring.open({ entries: 32 });
    using ends = socketPair(SOCK_DGRAM);
    using group = ring.bufferGroup({ buffers: 2, size: 64 });
    for (let i = 0; i < 9; i++) sys.write(ends.first, bytesOf(`${i}`));
    const seen: string[] = [];
    for await (const chunk of ring.run(recvMultishot({ fd: ends.second, group }))) {
      seen.push(text(chunk.bytes));
      if (seen.length % 3 === 0) await Bun.sleep(1); // slower than the data
      if (seen.length === 9) break;
    }
    expect(seen).toEqual(Array.from({ length: 9 }, (_, i) => `${i}`));
    expect(group.held).toBe(0);
  });

  multishot("waits for a buffer that another one holds", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using one = socketPair();
    using two = socketPair();
    using group = ring.bufferGroup({ buffers: 1, size: 64 });
    const first = ring.run(recvMultishot({ fd: one.second, group }));
    sys.write(one.first, bytesOf("one"));
    expect(text((await first.next()).value.bytes)).toBe("one"); // and it keeps the only buffer
    let arrived = false;
    const second = (async () => {
      for await (const chunk of ring.run(recvMultishot({ fd: two.second, group }))) {
        arrived = true;
        return text(chunk.bytes);
      }
      return "nothing";
    })();
    sys.write(two.first, bytesOf("two"));
    await Bun.sleep(10);
    expect(arrived).toBe(false);
    await first.return?.();
    expect(await second).toBe("two");
  });

  multishot("can be aborted, and closed, while it waits for a buffer", async () => {
    const ring = await Ring.open({ entries: 8 });
    using one = socketPair();
    using two = socketPair();
    const group = ring.bufferGroup({ buffers: 1, size: 64 });
    const first = ring.run(recvMultishot({ fd: one.second, group }));
    sys.write(one.first, bytesOf("one"));
    await first.next();
    sys.write(two.first, bytesOf("two"));
    const reason = new Error("enough");
    const wait = async (signal?: AbortSignal): Promise<void> => {
      for await (const _ of ring.run(recvMultishot({ fd: two.second, group }), signal ? { signal } : {})) return;
    };
    const abort = new AbortController();
    const aborted = failure(wait(abort.signal));
    const closed = failure(wait());
    await Bun.sleep(5);
    abort.abort(reason);
    expect(await aborted).toBe(reason);
    await ring.close();
    expect(await closed).toMatchObject({ message: "the ring is closed" });
  });

  multishot("is told that the ring is closed, with nothing in flight, while it waits for a buffer", async () => {
    const ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    const group = ring.bufferGroup({ buffers: 1, size: 64 });
    sys.write(ends.first, bytesOf("one"));
    const held = await ring.run(recv({ fd: ends.second, group }));
    sys.write(ends.first, bytesOf("two"));
    const waiting = failure(ring.run(recvMultishot({ fd: ends.second, group })).next());
    await Bun.sleep(0);
    while (ring.inFlight > 0) await Bun.sleep(1);
    await ring.close();
    expect(await waiting).toMatchObject({ message: "the ring is closed" });
    held.release();
  });

  multishot("tells the raw layer that the group ran dry", () => {
    using raw = new RawRing({ entries: 8 });
    using ends = socketPair(SOCK_DGRAM);
    using entries = Arena.allocate(4096);
    raw.register.bufferRing(1, entries, 1); // and no buffer is ever added
    const results: number[] = [];
    const slot = raw.allocate((result) => results.push(result), "many");
    raw.recvMultishot(slot, ends.second, 1, 0);
    sys.write(ends.first, bytesOf("x"));
    while (raw.inFlight > 0) {
      raw.enter(1);
      raw.reap();
    }
    expect(results).toEqual([-105]); // ENOBUFS
  });

  multishot("goes on when the kernel ended it because the CQ was full", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 4 });
    using ends = socketPair(SOCK_DGRAM);
    using group = ring.bufferGroup({ buffers: 64, size: 64 });
    for (let i = 0; i < 9; i++) sys.write(ends.first, bytesOf(`${i}`));
    const seen: string[] = [];
    for await (const chunk of ring.run(recvMultishot({ fd: ends.second, group }))) {
      seen.push(text(chunk.bytes));
      if (seen.length === 9) for (let i = 9; i < 18; i++) sys.write(ends.first, bytesOf(`${i}`));
      if (seen.length === 18) break;
    }
    expect(seen).toEqual(Array.from({ length: 18 }, (_, i) => `${i}`));
  });

  multishot("several at once share a ring", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const pairs = Array.from({ length: 6 }, () => socketPair());
    using group = ring.bufferGroup({ buffers: 32, size: 64 });
    const totals = pairs.map(async ({ second }) => {
      let total = 0;
      for await (const chunk of ring.run(recvMultishot({ fd: second, group }))) total += chunk.bytes.length;
      return total;
    });
    for (let i = 0; i < 20; i++) await Promise.all(pairs.map(({ first }, n) => ring.run(send({ fd: first, buffer: pattern(n + 1) }))));
    for (const { first } of pairs) sys.close(first);
    expect(await Promise.all(totals)).toEqual([20, 40, 60, 80, 100, 120]);
    for (const { second } of pairs) sys.close(second);
  });
});

describe("a buffer group", () => {
  test("takes a power of two of buffers, and knows its options", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(() => ring.bufferGroup({ buffers: 3, size: 16 })).toThrow(/power of two/);
    expect(() => ring.bufferGroup({ buffers: 0, size: 16 })).toThrow(RangeError);
    expect(() => ring.bufferGroup({ buffers: 4, size: 16, buffer: 1 } as never)).toThrow(/did you mean 'buffers'/);
  });

  test("uses its number again after it is disposed", async () => {
    await using ring = await Ring.open({ entries: 8 });
    for (let i = 0; i < 100; i++) {
      using group = ring.bufferGroup({ buffers: 2, size: 16 });
      using other = ring.bufferGroup({ buffers: 2, size: 16 });
      expect([group.id, other.id]).toEqual([1, 2]);
    }
  });

  multishot("keeps its entries and its tail apart, round after round", async () => {
    // Entry 0 and the tail share eight bytes.
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair(SOCK_DGRAM);
    using group = ring.bufferGroup({ buffers: 2, size: 8 });
    let count = 0;
    sys.write(ends.first, bytesOf("0"));
    for await (const chunk of ring.run(recvMultishot({ fd: ends.second, group }))) {
      expect(text(chunk.bytes)).toBe(`${count}`);
      if (++count === 2000) break;
      sys.write(ends.first, bytesOf(`${count}`));
    }
  });
});
