import { describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import {
  bind,
  connect,
  MultishotOperation,
  nop,
  Operation,
  POLLIN,
  poll,
  pollMultishot,
  Ring,
  read,
  recv,
  type SocketAddress,
  send,
  sendmsgZc,
  sendZc,
  socket,
  socketName,
  splice,
  timeout,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { runProgram } from "../support/child.ts";
import { isRoot, kernelAtLeast, requires } from "../support/requires.ts";
import { type Pair, pipe, TemporaryFolder } from "./support/descriptors.ts";

describe("a modified operation", () => {
  test("is another value of the same kind; the one it was made from stays as it was", () => {
    const plain = read({ fd: 3, buffer: new Uint8Array(1) });
    const modified = plain.drain().async().personality(7);
    expect(plain.modifiers).toEqual({ flags: 0, personality: 0 });
    expect(modified.modifiers).toEqual({ flags: abi.IOSQE_IO_DRAIN | abi.IOSQE_ASYNC, personality: 7 });
    expect(modified).toBeInstanceOf(Operation);
    expect([modified.name, modified.options]).toEqual([plain.name, plain.options]);
    expect(pollMultishot({ fd: 1, events: POLLIN }).async()).toBeInstanceOf(MultishotOperation);
  });

  test("has its flags and its personality in the SQE", () => {
    using raw = new RawRing({ entries: 8 });
    const slot = raw.allocate(() => {});
    poll({ fd: 3, events: POLLIN }).drain().personality(0xabcd).encode(raw, slot);
    expect((raw.words[0]! >> 8) & 0xff).toBe(abi.IOSQE_IO_DRAIN);
    expect(raw.words[10]! >>> 16).toBe(0xabcd);
    raw.close();
  });

  test("says what is no personality", () => {
    expect(() => nop().personality(0)).toThrow(RangeError);
    expect(() => nop().personality(65536)).toThrow(RangeError);
  });
});

describe("drain", () => {
  test("waits for what was queued before, and holds up what comes behind", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const order: string[] = [];
    const note = (name: string) => () => void order.push(name);
    const all = [
      ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) })).then(note("read")),
      ring.run(nop().drain()).then(note("drained")),
      ring.run(nop()).then(note("behind")),
    ];
    await Bun.sleep(5);
    expect(order).toEqual([]);
    sys.write(ends.second, new Uint8Array(1));
    await Promise.all(all);
    expect(order).toEqual(["read", "drained", "behind"]);
  });
});

// The kernel makes the notification of the send when it reads the SQE, and counts it among what was queued before.
describe("a zero-copy send", () => {
  const t = requires(kernelAtLeast("6.13"), "before Linux 6.13 they work on a ring that drains");

  async function socketToItself(ring: Ring): Promise<number> {
    const fd = await ring.run(socket({ domain: 2, type: 2 })); // AF_INET, SOCK_DGRAM
    await ring.run(bind({ fd, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
    await ring.run(connect({ fd, address: socketName(fd) as SocketAddress }));
    return fd;
  }

  t("may be followed by a drain, which waits for its notification", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const fd = await socketToItself(ring);
    const order: string[] = [];
    const sent = ring.run(sendZc({ fd, buffer: new Uint8Array(100) })).then(({ released }) => released.then(() => order.push("released")));
    const drained = ring.run(nop().drain()).then(async () => {
      await Bun.sleep(0); // all may come in one batch, and a promise more stands before the notification
      order.push("drained");
    });
    expect(await ring.run(recv({ fd, buffer: new Uint8Array(200) }))).toBe(100);
    await Promise.all([sent, drained]);
    expect(order).toEqual(["released", "drained"]);
    sys.close(fd);
  });

  t("is refused on a ring that has drained, also when the drain only waits for room", async () => {
    await using ring = await Ring.open({ entries: 2, cqEntries: 4 });
    const fd = await socketToItself(ring);
    const drains = Array.from({ length: 20 }, (_, i) => ring.run(i === 19 ? nop().drain() : nop()));
    const refused = {
      status: "failed",
      code: "TypeError",
      reason: expect.objectContaining({ name: "TypeError", message: expect.stringMatching(/drained/) }),
    };
    expect(await ring.settle(sendZc({ fd, buffer: new Uint8Array(100) }))).toEqual(refused as never);
    await Promise.all(drains);
    expect(await ring.settle(sendmsgZc({ fd, buffers: [new Uint8Array(100)] }))).toEqual(refused as never);
    expect(await ring.run(send({ fd, buffer: new Uint8Array(100) }))).toBe(100);
    sys.close(fd);
  });

  const old = requires(!kernelAtLeast("6.16"), "since Linux 6.16 a drain behind them begins");
  old("is followed by no drain, which would never begin", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const fd = await socketToItself(ring);
    expect(await ring.run(nop().drain())).toBe(0);
    await ring.run(sendZc({ fd, buffer: new Uint8Array(100) }));
    expect(await ring.settle(nop().drain())).toMatchObject({
      status: "failed",
      reason: { message: expect.stringMatching(/without copying/) },
    });
    expect(await ring.run(nop())).toBe(0);
    sys.close(fd);
  });

  t("cannot drain itself", () => {
    const zeroCopy = sendZc({ fd: 3, buffer: new Uint8Array(1) }) as Operation<unknown>;
    expect(() => zeroCopy.drain()).toThrow(/sendZc: a zero-copy send that drains waits for its own notification, for ever/);
  });
});

describe("an abort on a ring that drains", () => {
  // A cancel that is queued waits behind the drain, and the drain for what is to be cancelled.
  const t = requires(kernelAtLeast("6.0"), "cancels past the queue need Linux 6.0");
  const reason = new Error("enough");
  const failed = { status: "cancelled" as const, reason, code: "ECANCELED" };

  for (const [name, taskrun] of [
    ["task work in enter", "defer"],
    ["cooperative task work", "coop"],
  ] as const) {
    t(`reaches what the drain waits for, what drains, and what waits behind it: ${name}`, async () => {
      await using ring = await Ring.open({ entries: 8, taskrun });
      using ends = pipe();
      const controller = new AbortController();
      const { signal } = controller;
      const reading = (drained: boolean) => {
        const operation = read({ fd: ends.first, buffer: new Uint8Array(1) });
        return ring.settle(drained ? operation.drain() : operation, { signal });
      };
      const all = [reading(false), reading(true), ring.settle(nop(), { signal }), reading(true)];
      await new Promise((resolve) => setImmediate(resolve)); // they are submitted
      controller.abort(reason);
      expect(await Promise.all(all)).toEqual([failed, failed, failed, failed]);
      expect(await ring.run(nop())).toBe(0);
    });
  }

  t("reaches one operation and leaves the others", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const controller = new AbortController();
    const first = ring.settle(poll({ fd: ends.first, events: POLLIN }), { signal: controller.signal });
    const second = ring.run(poll({ fd: ends.first, events: POLLIN }).drain());
    controller.abort(reason);
    expect(await first).toEqual(failed);
    sys.write(ends.second, new Uint8Array(1));
    expect(await second).toBe(POLLIN);
  });

  t("is what a close does, and it does not hang", async () => {
    const ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const all = [
      ring.settle(read({ fd: ends.first, buffer: new Uint8Array(1) })),
      ring.settle(read({ fd: ends.first, buffer: new Uint8Array(1) }).drain()),
      ring.settle(nop()),
    ];
    const slot = ring.raw.allocate(() => {});
    ring.raw.poll(slot, ends.first, POLLIN); // the raw layer's operations as well
    await Promise.resolve();
    await ring.close();
    for (const settled of await Promise.all(all)) expect(settled.status).toBe("cancelled");
  });
});

describe("an abort on a ring that drains and whose kernel thread submits", () => {
  const t = requires(kernelAtLeast("6.0"), "cancels past the queue need Linux 6.0");
  const reason = new Error("enough");
  // A worker of the kernel moves the data, and waits for it where only a cancel of the queue finds it.
  const moving = (ends: Pair, to: Pair): Operation<number> => splice({ fdIn: ends.first, fdOut: to.second, length: 8 });

  t("may not reach what a worker carries out, which then ends in its own time", async () => {
    await using ring = await Ring.open({ entries: 8, sqpoll: true });
    using ends = pipe();
    using to = pipe();
    await ring.run(nop().drain());
    const controller = new AbortController();
    const waiting = ring.settle(moving(ends, to), { signal: controller.signal });
    await Bun.sleep(10);
    controller.abort(reason);
    await Promise.race([waiting, Bun.sleep(100)]);
    sys.write(ends.second, new Uint8Array(8));
    expect(await waiting).toEqual({ status: "cancelled", reason, code: "ECANCELED" });
  });

  t("waits for it while a drain does, and closing the ring ends it", async () => {
    const ring = await Ring.open({ entries: 8, sqpoll: true, fixedBuffers: 1 });
    ring.fixedBuffer(4096);
    using ends = pipe();
    using to = pipe();
    const waiting = ring.settle(moving(ends, to));
    const drained = ring.settle(nop().drain());
    await Bun.sleep(10);
    const since = performance.now();
    await ring.close();
    expect(performance.now() - since).toBeLessThan(10_000);
    for (const outcome of [await waiting, await drained])
      expect(outcome).toMatchObject({ status: "cancelled", reason: { operation: "close" } });
  });
});

describe("async", () => {
  test("has a worker do it, with the same result", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const buffer = new Uint8Array(4);
    const reading = ring.run(read({ fd: ends.first, buffer }).async());
    expect(await ring.run(timeout({ ms: 1 }).async())).toBe("elapsed");
    sys.write(ends.second, Uint8Array.of(9, 8));
    expect(await reading).toBe(2);
    expect([...buffer]).toEqual([9, 8, 0, 0]);
  });
});

describe("a personality", () => {
  test("that was never registered is refused by the kernel", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await ring.settle(nop().personality(5))).toMatchObject({ reason: { code: "EINVAL", operation: "nop" } });
    expect(() => ring.raw.register.unregisterPersonality(5)).toThrow(/EINVAL/);
  });

  requires(isRoot(), "needs root, to be somebody else")("is who opens a file, whoever the thread is by then", async () => {
    using folder = new TemporaryFolder();
    chmodSync(folder.path, 0o755);
    const path = folder.file("secret");
    writeFileSync(path, "secret");
    chmodSync(path, 0o600);
    const { stdout, stderr } = await runProgram("uring/programs/personality.ts", [path]);
    expect({ stdout, stderr }).toEqual({ stdout: "opened EACCES opened EINVAL EINVAL\n", stderr: "" });
  });
});
