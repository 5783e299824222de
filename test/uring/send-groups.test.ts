import { describe, expect } from "bun:test";
import { MSG_DONTWAIT, Ring, recv, type SendGroup, SHUT_WR, send, sendBundle, shutdown } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { pattern, SOCK_DGRAM, socketPair } from "./support/descriptors.ts";
import { bytesOf, failure, tcp, text } from "./support/network.ts";

const t = requires(kernelAtLeast("6.10"), "sends from buffer groups need Linux 6.10");

async function receive(ring: Ring, fd: number, length: number): Promise<string> {
  const buffer = new Uint8Array(length);
  return text(buffer.subarray(0, await ring.run(recv({ fd, buffer }))));
}

/** Sends all that a group holds; answers the bytes. */
async function sendAll(ring: Ring, fd: number, group: SendGroup): Promise<number> {
  let sent = 0;
  for await (const bytes of ring.run(sendBundle({ fd, group }))) sent += bytes;
  return sent;
}

describe("a send from a group", () => {
  t("takes the oldest buffer, and leaves it empty", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair(SOCK_DGRAM);
    using group = ring.sendGroup({ buffers: 4, size: 16 });
    for (const word of ["one", "two", "three"]) group.push(bytesOf(word));
    expect([group.queued, group.room]).toEqual([3, 16]);
    for (const word of ["one", "two", "three"]) {
      expect(await ring.run(send({ fd: ends.first, group }))).toBe(word.length);
      expect(await receive(ring, ends.second, 20)).toBe(word);
    }
    expect([group.queued, group.room]).toEqual([0, 64]);
    expect(await failure(ring.run(send({ fd: ends.first, group })))).toMatchObject({
      code: "ENOBUFS",
      hint: expect.stringMatching(/nothing was pushed/),
    });
  });

  t("splits what is larger than a buffer, and refuses what does not fit", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.sendGroup({ buffers: 4, size: 10 });
    group.push(pattern(35).buffer);
    expect([group.queued, group.room]).toEqual([4, 0]);
    expect(() => group.push(new Uint8Array(1))).toThrow(/1 bytes do not fit; there is room for 0/);
    group.push(new Uint8Array(0));
    expect(group.queued).toBe(4);
  });

  t("keeps a buffer whole on a stream that is full", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.sendGroup({ buffers: 4, size: 1 << 20 });
    const data = pattern(3 << 20);
    group.push(data);
    const sending = (async () => {
      for (let i = 0; i < 3; i++) expect(await ring.run(send({ fd: ends.first, group }))).toBe(1 << 20);
    })();
    const got = new Uint8Array(data.length);
    for (let at = 0; at < got.length; ) at += await ring.run(recv({ fd: ends.second, buffer: got.subarray(at) }));
    await sending;
    expect(Buffer.compare(got, data)).toBe(0);
    expect(group.queued).toBe(0);
  });

  t("that fails takes its buffer with it, and only that", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const broken = socketPair();
    using ends = socketPair();
    using group = ring.sendGroup({ buffers: 4, size: 16 });
    for (const word of ["lost", "kept"]) group.push(bytesOf(word));
    sys.close(broken.second);
    expect(await failure(ring.run(send({ fd: broken.first, group })))).toMatchObject({ code: "EPIPE", operation: "send" });
    sys.close(broken.first);
    expect([group.queued, group.room]).toEqual([1, 48]);
    await ring.run(send({ fd: ends.first, group }));
    expect(await receive(ring, ends.second, 16)).toBe("kept");
    expect([group.queued, group.room]).toEqual([0, 64]);
  });
});

describe("a bundle that is sent", () => {
  t("empties the group in order, also over the socket's capacity", async () => {
    await using ring = await Ring.open({ entries: 32 });
    using ends = await tcp(ring);
    using group = ring.sendGroup({ buffers: 256, size: 4096 });
    const data = pattern(900_001);
    const got = new Uint8Array(data.length);
    const reading = (async () => {
      for (let at = 0; at < got.length; ) at += await ring.run(recv({ fd: ends.far.fd, buffer: got.subarray(at) }));
    })();
    group.push(data);
    expect(await sendAll(ring, ends.near.fd, group)).toBe(data.length);
    await reading;
    expect(Buffer.compare(got, data)).toBe(0);
    expect([group.queued, group.room]).toEqual([0, 256 * 4096]);
  });

  t("sends what is pushed meanwhile", async () => {
    await using ring = await Ring.open({ entries: 32 });
    using ends = socketPair();
    using group = ring.sendGroup({ buffers: 64, size: 1000, kernelMemory: true });
    const total = 200_000;
    const data = pattern(total);
    const got = new Uint8Array(total);
    const reading = (async () => {
      for (let at = 0; at < total; ) at += await ring.run(recv({ fd: ends.second, buffer: got.subarray(at) }));
    })();
    let pushed = 0;
    const refill = (): void => {
      while (pushed < total && group.room >= 1000) group.push(data.subarray(pushed, (pushed += 1000)));
    };
    while (pushed < total || group.queued > 0) {
      refill();
      for await (const bytes of ring.run(sendBundle({ fd: ends.first, group }))) {
        expect(bytes).toBeGreaterThan(0);
        refill();
      }
    }
    await reading;
    expect(Buffer.compare(got, data)).toBe(0);
    expect(group.queued).toBe(0);
  });

  t("of an empty group fails with ENOBUFS", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.sendGroup({ buffers: 4, size: 16 });
    expect(await failure(sendAll(ring, ends.first, group))).toMatchObject({ code: "ENOBUFS", operation: "sendBundle" });
  });

  t("that is aborted or left tells the truth about what is queued", async () => {
    await using ring = await Ring.open({ entries: 8 });
    for (const way of ["abort", "leave"] as const) {
      using ends = socketPair();
      using group = ring.sendGroup({ buffers: 64, size: 65536 });
      group.push(pattern(64 * 65536)); // more than the socket takes
      const abort = new AbortController();
      const iterator = ring.run(sendBundle({ fd: ends.first, group }), { signal: abort.signal });
      const step = iterator.next().then(
        ({ value }) => value ?? 0,
        () => 0,
      );
      await Bun.sleep(2);
      if (way === "abort") abort.abort();
      await iterator.return?.();
      await step;
      const left = group.queued;
      // What is queued still, goes out with the next one.
      await ring.run(shutdown({ fd: ends.second, how: SHUT_WR }));
      const drained = new Uint8Array(1 << 20);
      const settled = await ring.settle(recv({ fd: ends.second, buffer: drained, flags: MSG_DONTWAIT }));
      expect(settled.status).toBe("fulfilled");
      expect(left).toBeLessThanOrEqual(64);
      expect(group.room).toBe((64 - left) * 65536);
    }
    expect(ring.raw.inFlight).toBe(0);
  });

  t("is refused when the group is gone", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const group = ring.sendGroup({ buffers: 4, size: 16 });
    group[Symbol.dispose]();
    group[Symbol.dispose]();
    expect(() => group.push(new Uint8Array(1))).toThrow(/disposed/);
    expect(await failure(ring.run(send({ fd: 1, group })))).toMatchObject({ name: "TypeError" });
    expect(() => ring.sendGroup({ buffers: 3, size: 16 })).toThrow(/sendGroup: buffers is 3; it must be a power of two/);
    expect(() => ring.sendGroup({ buffers: 4, size: 16, incremental: true } as never)).toThrow(/no option 'incremental'/);
  });
});
