import { describe, expect, test } from "bun:test";
import {
  cancel,
  cancelFd,
  FixedFile,
  nop,
  type Operation,
  OperationHandle,
  POLLIN,
  poll,
  Ring,
  read,
  recvMultishot,
  timeout,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { pipe, socketPair } from "./support/descriptors.ts";

const since66 = requires(kernelAtLeast("6.6"), "choosing by opcode needs Linux 6.6");
const CANCELLED = { status: "failed", reason: { code: "ECANCELED" } };

describe("a handle", () => {
  test("names an operation while it is in flight, and nothing afterwards", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const handle = new OperationHandle();
    expect(handle.inFlight).toBe(false);
    const waiting = ring.settle(timeout({ ms: 60_000 }), { handle });
    expect(handle.inFlight).toBe(true);
    expect(await ring.run(cancel({ target: handle }))).toBe(1);
    expect(await waiting).toMatchObject(CANCELLED);
    expect(handle.inFlight).toBe(false);
    expect(await ring.settle(cancel({ target: handle }))).toMatchObject({ reason: { code: "ENOENT", operation: "cancel" } });
  });

  test("never leads to the next operation of the same slot", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const handle = new OperationHandle();
    await ring.run(nop(), { handle });
    const next = ring.run(timeout({ ms: 60_000, completions: 3 }));
    const refused = await ring.settle(cancel({ target: handle }));
    expect(refused).toMatchObject({ reason: { code: "ENOENT" } });
    await Promise.all([ring.run(nop()), ring.run(nop()), ring.run(nop())]);
    expect(await next).toBe("completions");
  });

  test("may be used again, but not for two at once", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const handle = new OperationHandle();
    for (let i = 0; i < 3; i++) await ring.run(nop(), { handle });
    const waiting = ring.settle(timeout({ ms: 60_000 }), { handle });
    expect(await ring.settle(nop(), { handle })).toMatchObject({ reason: { name: "TypeError" } });
    await ring.run(cancel({ target: handle }));
    expect(await waiting).toMatchObject(CANCELLED);
    // One that could not be started has let go of it.
    expect(await ring.settle(timeout({ ms: -1 }), { handle })).toMatchObject({ reason: { name: "RangeError" } });
    expect(await ring.run(nop(), { handle })).toBe(0);
    expect(() => ring.run(nop(), { handle: {} as OperationHandle })).toThrow(/must be an OperationHandle/);
  });

  test("belongs to its ring", async () => {
    await using one = await Ring.open({ entries: 8 });
    await using two = await Ring.open({ entries: 8 });
    const handle = new OperationHandle();
    const waiting = one.settle(timeout({ ms: 60_000 }), { handle });
    expect(await two.settle(cancel({ target: handle }))).toMatchObject({ reason: { message: expect.stringContaining("another ring") } });
    await one.run(cancel({ target: handle }));
    expect(await waiting).toMatchObject(CANCELLED);
  });

  test("finds an operation that waited for room when the cancel was asked for", async () => {
    await using ring = await Ring.open({ entries: 1, cqEntries: 1 });
    const handle = new OperationHandle();
    const first = ring.run(timeout({ ms: 5 }));
    const waiting = ring.settle(timeout({ ms: 5, completions: 0 }), { handle });
    expect(handle.inFlight).toBe(false);
    const cancelling = ring.settle(cancel({ target: handle }));
    expect(await first).toBe("elapsed");
    // With room for one only, the cancel begins when its target has ended.
    expect(await waiting).toMatchObject({ status: "fulfilled" });
    expect(await cancelling).toMatchObject({ reason: { code: "ENOENT" } });
  });

  test("names a multishot operation as well", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    using group = ring.bufferGroup({ buffers: 4, size: 64 });
    const handle = new OperationHandle();
    const chunks = ring.run(recvMultishot({ fd: ends.first, group }), { handle });
    sys.write(ends.second, new Uint8Array(3));
    expect((await chunks.next()).value?.bytes.length).toBe(3);
    expect(handle.inFlight).toBe(true);
    const next = chunks.next().catch((error: unknown) => error);
    await ring.run(cancel({ target: handle }));
    expect(await next).toMatchObject({ code: "ECANCELED" });
    expect(handle.inFlight).toBe(false);
  });
});

describe("a cancel", () => {
  const waitingOn = (ring: Ring, fd: number, n: number) =>
    Array.from({ length: n }, () => ring.settle(read({ fd, buffer: new Uint8Array(1) })));

  test("finds one or all operations on a descriptor", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const reads = waitingOn(ring, ends.first, 3);
    expect(await ring.run(cancel({ fd: ends.first }))).toBe(1);
    expect(await Promise.race(reads)).toMatchObject(CANCELLED);
    expect(await ring.run(cancel({ fd: ends.first, all: true }))).toBe(2);
    for (const settled of await Promise.all(reads)) expect(settled).toMatchObject(CANCELLED);
    expect(await ring.settle(cancel({ fd: ends.first }))).toMatchObject({ reason: { code: "ENOENT" } });
    expect(await ring.run(cancel({ fd: ends.first, all: true }))).toBe(0);
  });

  test("finds operations on a slot by the slot, and not by its descriptor", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 1 });
    using ends = pipe();
    ring.raw.register.updateFiles(0, [ends.first]);
    const fd = new FixedFile(0);
    const waiting = ring.settle(poll({ fd, events: POLLIN }));
    expect(await ring.run(cancelFd({ fd }))).toBe(1);
    expect(await waiting).toMatchObject(CANCELLED);
  });

  since66("finds operations of a kind, also on one descriptor only", async () => {
    await using ring = await Ring.open({ entries: 16 });
    using one = pipe();
    using two = pipe();
    const polls = [one, two].map(({ first }) => ring.settle(poll({ fd: first, events: POLLIN })));
    const reads = waitingOn(ring, one.first, 2);
    expect(await ring.run(cancel({ opcode: poll({ fd: 0, events: 0 }).opcode, fd: one.first, all: true }))).toBe(1);
    expect(await polls[0]).toMatchObject(CANCELLED);
    expect(await ring.run(cancel({ opcode: abi.IORING_OP_READ, all: true }))).toBe(2);
    for (const settled of await Promise.all(reads)) expect(settled).toMatchObject(CANCELLED);
    expect(await ring.settle(cancel({ opcode: abi.IORING_OP_READ }))).toMatchObject({ reason: { code: "ENOENT" } });
    expect(await ring.run(cancel({ any: true }))).toBe(1);
    expect(await polls[1]).toMatchObject(CANCELLED);
  });

  since66("that names an operation and its kind agrees with both", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const handle = new OperationHandle();
    const waiting = ring.settle(poll({ fd: ends.first, events: POLLIN }), { handle });
    const wrong = cancel({ target: handle, opcode: abi.IORING_OP_READ });
    expect(await ring.settle(wrong)).toMatchObject({ reason: { code: "ENOENT" } });
    expect(await ring.run(cancel({ target: handle, opcode: abi.IORING_OP_POLL_ADD, fd: ends.first }))).toBe(1);
    expect(await waiting).toMatchObject(CANCELLED);
  });

  test("finds everything in flight", async () => {
    await using ring = await Ring.open({ entries: 16 });
    using ends = pipe();
    const all: Promise<unknown>[] = [...waitingOn(ring, ends.first, 3), ring.settle(timeout({ ms: 60_000 }))];
    expect(await ring.run(cancel({ any: true }))).toBe(4);
    for (const settled of await Promise.all(all)) expect(settled).toMatchObject(CANCELLED);
    expect(await ring.run(cancel({ any: true }))).toBe(0);
  });

  test("of a raw operation goes by slot and generation", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    let ended = 0;
    const slot = ring.raw.allocate((result) => {
      ended = result;
    });
    ring.raw.poll(slot, ends.first, POLLIN);
    const target = { slot, generation: ring.raw.generation(slot) };
    expect(await ring.settle(cancel({ target: { ...target, generation: target.generation - 1 } }))).toMatchObject({
      reason: { code: "ENOENT" },
    });
    expect(await ring.run(cancel({ target }))).toBe(1);
    await ring.run(nop());
    expect(ended).toBe(-125);
  });

  test("says what is wrong with what it is told", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const bad = async (operation: Operation<number>) => String(((await ring.settle(operation)) as { reason: unknown }).reason);
    expect(await bad(cancel({} as never))).toContain("say what to cancel");
    expect(await bad(cancel({ any: true, fd: 1 } as never))).toContain("any: true stands alone");
    expect(await bad(cancel({ fd: -1 }))).toContain("fd is -1");
    expect(await bad(cancel({ opcode: 256 }))).toContain("opcode is 256");
    expect(await bad(cancel({ target: 5 } as never))).toContain("target must be an OperationHandle");
    expect(() => cancel({ traget: 5 } as never)).toThrow(/did you mean 'target'/);
    expect(ring.raw.queued).toBe(0);
  });
});

describe("an operation that reports only failures", () => {
  test("is over when what follows it in its chain has succeeded", () => {
    using raw = new RawRing({ entries: 8 });
    const results: string[] = [];
    const quiet = raw.allocate((result) => results.push(`quiet ${result}`));
    const loud = raw.allocate((result) => results.push(`loud ${result}`));
    raw.nop(quiet);
    raw.setFlags(abi.IOSQE_CQE_SKIP_SUCCESS | abi.IOSQE_IO_LINK);
    raw.nop(loud);
    raw.enter(1);
    raw.reap();
    expect(results).toEqual(["loud 0"]);
    expect(raw.inFlight).toBe(1);
    raw.skipped(quiet);
    expect(raw.inFlight).toBe(0);
    expect(() => raw.skipped(quiet)).toThrow(/no operation in flight/);
    raw.release(quiet);
    // From now on the ring refuses to drain.
    raw.nop(loud);
    raw.setFlags(abi.IOSQE_IO_DRAIN);
    raw.enter(1);
    raw.reap();
    expect(results.at(-1)).toBe("loud -95");
  });
});
