import { describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { MultishotOperation, nop, Operation, POLLIN, poll, pollMultishot, Ring, read, timeout } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { runProgram } from "../support/child.ts";
import { isRoot, kernelAtLeast, requires } from "../support/requires.ts";
import { pipe, TemporaryFolder } from "./support/descriptors.ts";

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

describe("an abort on a ring that drains", () => {
  // A cancel that is queued waits behind the drain, and the drain for what is to be cancelled.
  const t = requires(kernelAtLeast("6.0"), "cancels past the queue need Linux 6.0");
  const reason = new Error("enough");
  const failed = { status: "rejected" as const, reason };

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
    for (const settled of await Promise.all(all)) expect(settled.status).toBe("rejected");
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
