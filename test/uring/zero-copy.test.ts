// usual kernels: this machine's, and the newest
import { describe, expect, test } from "bun:test";
import {
  close,
  FixedBuffer,
  MSG_WAITALL,
  Ring,
  recv,
  recvZc,
  type SingleOperation,
  SO_TIMESTAMPING,
  SOL_SOCKET,
  send,
  sendmsgZc,
  sendZc,
  setsockopt,
  txTimestamp,
  type ZeroCopySend,
  type ZeroCopyUsage,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { pattern, socketPair } from "./support/descriptors.ts";
import { failure, tcp, udp } from "./support/network.ts";

const EXPECTED_HEAD = 100;

describe("a zero-copy send", () => {
  test("reports that loopback copies", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
    using ends = await tcp(ring);
    const fixed = ring.fixedBuffer(8192);
    fixed.bytes.set(pattern(8192));
    const operations = [
      sendZc({ fd: ends.near.fd, buffer: pattern(8192), reportUsage: true }),
      sendZc({ fd: ends.near.fd, buffer: fixed, reportUsage: true }),
      sendmsgZc({ fd: ends.near.fd, buffers: [pattern(8192)], reportUsage: true }),
    ];
    for (const operation of operations) {
      const { bytes, released } = await ring.run(operation);
      expect(bytes).toBe(8192);
      const received = new Uint8Array(8192);
      expect(await ring.run(recv({ fd: ends.far.fd, buffer: received, flags: MSG_WAITALL }))).toBe(8192);
      expect(received).toEqual(pattern(8192));
      const usage: ZeroCopyUsage = await released;
      expect(usage).toBe("copied");
    }
  });

  test("says nothing of copying unless it is asked to", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using socket = await udp(ring);
    const { bytes, released } = await ring.run(sendZc({ fd: socket.fd, address: socket.address, buffer: pattern(100) }));
    expect(bytes).toBe(100);
    await ring.run(recv({ fd: socket.fd, buffer: new Uint8Array(100) }));
    expect(await released).toBeUndefined();
  });

  test("takes a part of a fixed buffer", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
    using ends = await tcp(ring);
    const fixed = ring.fixedBuffer(4096);
    fixed.bytes.set(pattern(4096));
    const { released } = await ring.run(sendZc({ fd: ends.near.fd, buffer: fixed.slice(1000, EXPECTED_HEAD) }));
    const received = new Uint8Array(EXPECTED_HEAD);
    await ring.run(recv({ fd: ends.far.fd, buffer: received }));
    expect(received).toEqual(pattern(4096).slice(1000, 1000 + EXPECTED_HEAD));
    await released;
    const missing = new FixedBuffer(0, fixed.address + 8192, 10, "memory");
    expect(await failure(ring.run(sendZc({ fd: ends.near.fd, buffer: missing })))).toMatchObject({ code: "EFAULT", operation: "sendZc" });
  });

  const vectorized = requires(kernelAtLeast("6.17"), "sends of several buffers need Linux 6.17");
  vectorized("gathers several buffers, also without zero copy", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = await tcp(ring);
    const data = pattern(10_000);
    const buffers = [data.subarray(0, 1), data.subarray(1, 5000), data.subarray(5000)];
    const operations: readonly SingleOperation<number | ZeroCopySend>[] = [
      sendZc({ fd: ends.near.fd, buffers, flags: MSG_WAITALL }),
      sendmsgZc({ fd: ends.near.fd, buffers, flags: MSG_WAITALL }),
      send({ fd: ends.near.fd, buffers, flags: MSG_WAITALL }),
    ];
    for (const operation of operations) {
      const sent = await ring.run<number | ZeroCopySend>(operation);
      expect(typeof sent === "number" ? sent : sent.bytes).toBe(10_000);
      const received = new Uint8Array(10_000);
      expect(await ring.run(recv({ fd: ends.far.fd, buffer: received, flags: MSG_WAITALL }))).toBe(10_000);
      expect(received).toEqual(data);
      if (typeof sent !== "number") await sent.released;
    }
  });

  const fixedParts = requires(kernelAtLeast("6.15"), "sends of several parts of a fixed buffer need Linux 6.15");
  fixedParts("gathers parts of a fixed buffer", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 2 });
    using ends = await tcp(ring);
    const fixed = ring.fixedBuffer(8192);
    fixed.bytes.set(pattern(8192));
    const buffers = [fixed.slice(5000, 1000), fixed.slice(0, 10)];
    const { bytes, released } = await ring.run(sendmsgZc({ fd: ends.near.fd, buffers }));
    expect(bytes).toBe(1010);
    const received = new Uint8Array(1010);
    await ring.run(recv({ fd: ends.far.fd, buffer: received, flags: MSG_WAITALL }));
    expect(Buffer.from(received)).toEqual(Buffer.concat([pattern(8192).slice(5000, 6000), pattern(8192).slice(0, 10)]));
    await released;
    const other = ring.fixedBuffer(4096);
    expect(await failure(ring.run(sendmsgZc({ fd: 1, buffers: [fixed, other] })))).toMatchObject({
      message: expect.stringMatching(/different fixed buffers/),
    });
    expect(await failure(ring.run(sendmsgZc({ fd: 1, buffers: [fixed, pattern(1)] as never })))).toMatchObject({
      message: expect.stringMatching(/mixes/),
    });
  });

  test("is refused by sockets that must copy", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using pair = socketPair();
    for (const operation of [sendZc({ fd: pair.first, buffer: pattern(10) }), sendmsgZc({ fd: pair.first, buffers: [pattern(10)] })])
      expect(await failure(ring.run(operation))).toMatchObject({ code: "EOPNOTSUPP", hint: expect.stringMatching(/unix sockets cannot/) });
    expect(ring.raw.inFlight).toBe(0);
  });

  test("keeps many buffers apart, each until it is released", async () => {
    await using ring = await Ring.open({ entries: 64 });
    using ends = await tcp(ring);
    const rounds = 200;
    const received = new Uint8Array(rounds * 1000);
    const reading = ring.run(recv({ fd: ends.far.fd, buffer: received, flags: MSG_WAITALL }));
    const releases: Promise<void>[] = [];
    for (let i = 0; i < rounds; i++) {
      const { bytes, released } = await ring.run(sendZc({ fd: ends.near.fd, buffer: pattern(1000, i), flags: MSG_WAITALL }));
      expect(bytes).toBe(1000);
      releases.push(released);
    }
    expect(await reading).toBe(rounds * 1000);
    await Promise.all(releases);
    for (let i = 0; i < rounds; i++) expect(received.subarray(i * 1000, i * 1000 + 1000)).toEqual(pattern(1000, i));
    expect(ring.inFlight).toBe(0);
  });
});

const plainFixed = requires(kernelAtLeast("7.2"), "plain sends and receives of fixed buffers are known to work on Linux 7.2");

describe("a fixed buffer in a plain send or receive", () => {
  plainFixed("carries data", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 2 });
    using pair = socketPair();
    const [from, to] = [ring.fixedBuffer(4096), ring.fixedBuffer(4096)];
    from.bytes.set(pattern(4096));
    expect(await ring.run(send({ fd: pair.first, buffer: from.slice(96) }))).toBe(4000);
    expect(await ring.run(recv({ fd: pair.second, buffer: to }))).toBe(4000);
    expect(to.bytes.slice(0, 4000)).toEqual(pattern(4096).slice(96));
  });

  const refused = requires(!kernelAtLeast("6.19"), "newer kernels have them");
  refused("is refused by older kernels, with a hint", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
    using pair = socketPair();
    const buffer = ring.fixedBuffer(4096);
    expect(await failure(ring.run(send({ fd: pair.first, buffer })))).toMatchObject({
      code: "EINVAL",
      hint: expect.stringMatching(/after 6.18|6.18/),
    });
    expect(await failure(ring.run(recv({ fd: pair.first, buffer })))).toMatchObject({
      code: "EINVAL",
      hint: expect.stringMatching(/after 6.18/),
    });
  });
});

const zcrx = requires(kernelAtLeast("6.15"), "RECV_ZC needs Linux 6.15");

describe("a zero-copy receive", () => {
  zcrx("needs a receive queue, which takes a network card that fits", async () => {
    await using ring = await Ring.open({ entries: 8, cqe: 32 });
    using ends = await tcp(ring);
    const first = ring.run(recvZc({ fd: ends.near.fd, queue: 0 })).next();
    expect(await failure(first)).toMatchObject({
      code: "EINVAL",
      operation: "recvZc",
      hint: expect.stringMatching(/no such receive queue/),
    });
    expect(ring.inFlight).toBe(0);
  });

  test("needs completions of 32 bytes", async () => {
    await using ring = await Ring.open({ entries: 8 });
    if (!ring.supports({ opcode: abi.IORING_OP_RECV_ZC })) return; // then it is refused for that
    expect(await failure(ring.run(recvZc({ fd: 1, queue: 0 })).next())).toMatchObject({
      name: "TypeError",
      message: expect.stringMatching(/cqe: 32/),
    });
    expect(await failure(ring.run(recvZc({ fd: 1, queue: 0, total: 0 })).next())).toMatchObject({ name: "TypeError" });
  });

  zcrx("decodes where the data lies", () => {
    using raw = new RawRing({ entries: 8, cqe: 32 });
    const operation = recvZc({ fd: 1, queue: 0 });
    const lowering = operation.encode(
      raw,
      raw.allocate(() => {}, "many"),
    );
    raw.cqeWords.set([0x89ab_cdef | 0, (3 << 16) | 0x12], raw.cqeAt + 4);
    expect(operation.declaration.result(500, 2, operation.options as never, lowering)).toEqual({
      offset: 0x12_89ab_cdef,
      area: 3,
      length: 500,
    });
  });
});

const timestamps = requires(kernelAtLeast("6.17"), "TX_TIMESTAMP needs Linux 6.17");

describe("transmit time stamps", () => {
  for (const cqe of [32, "mixed"] as const) {
    const t = cqe === "mixed" ? requires(kernelAtLeast("6.18"), "mixed CQEs need Linux 6.18") : timestamps;
    t(`tell when each packet left, with CQEs of ${cqe} bytes`, async () => {
      await using ring = await Ring.open({ entries: 16, cqe });
      using socket = await udp(ring);
      const { fd, address } = socket;
      await ring.run(setsockopt({ fd, level: SOL_SOCKET, name: SO_TIMESTAMPING, value: 2 | 16 | 128 | 2048 }));
      const before = Date.now() / 1000;
      for (let i = 0; i < 5; i++) await ring.run(send({ fd, address, buffer: pattern(10) }));
      const keys: number[] = [];
      for await (const { key, seconds, nanoseconds, hardware, type } of ring.run(txTimestamp({ fd }))) {
        expect(Math.abs(seconds + nanoseconds / 1e9 - before)).toBeLessThan(5);
        expect([hardware, type]).toEqual([false, 0]);
        if (keys.push(key) === 5) break;
      }
      expect(keys).toEqual([0, 1, 2, 3, 4]);
    });
  }

  test("need a ring whose completions can hold them", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await failure(ring.run(txTimestamp({ fd: 1 })).next())).toMatchObject(
      kernelAtLeast("6.17")
        ? { name: "TypeError", message: expect.stringMatching(/cqe: 32/) }
        : { code: "EOPNOTSUPP", hint: expect.stringMatching(/Linux 6\.17/) },
    );
    expect(await ring.run(close({ fd: sys.eventfd(0, 0) }))).toBe(0);
  });
});
