// usual kernels: this machine's, and the newest
import { describe, expect, test } from "bun:test";
import { FixedBuffer, FixedFile, nop, nop128, Ring } from "uring-ublk";
import { abi, RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { memoryFile } from "./support/descriptors.ts";

const since = (version: string) => requires(kernelAtLeast(version), `needs Linux ${version}`);

describe("a NOP", () => {
  since("6.13")("looks a file up, by descriptor or slot", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 2 });
    using file = memoryFile();
    ring.raw.register.updateFiles(1, [file.first]);
    expect(await ring.run(nop({ fd: file.first }))).toBe(0);
    expect(await ring.run(nop({ fd: new FixedFile(1), result: 9 }))).toBe(9);
    expect(await ring.settle(nop({ fd: 1_000_000 }))).toMatchObject({ reason: { code: "EBADF" } });
    expect(await ring.settle(nop({ fd: new FixedFile(0) }))).toMatchObject({ reason: { code: "EBADF" } });
  });

  since("6.13")("looks a fixed buffer up", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 2 });
    const buffer = ring.fixedBuffer(4096);
    expect(await ring.run(nop({ buffer }))).toBe(0);
    const missing = new FixedBuffer(buffer.index ^ 1, 0, 0, "memory");
    expect(await ring.settle(nop({ buffer: missing }))).toMatchObject({ reason: { code: "EFAULT" } });
  });

  since("6.16")("completes from task work", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await ring.run(nop({ taskWork: true, result: 3 }))).toBe(3);
  });

  since("6.18")("fills the second half of a long CQE", () => {
    for (const cqe of [32, "mixed"] as const) {
      using raw = new RawRing({ entries: 8, cqe });
      const seen: number[][] = [];
      const slot = raw.allocate((result) => seen.push([result, ...raw.cqeWords.slice(raw.cqeAt + 4, raw.cqeAt + 8)]));
      for (let i = 0; i < 20; i++) {
        nop({ extra: [5 + 6 * 2 ** 32, i], result: i }).encode(raw, slot);
        raw.enter(1);
        raw.reap();
      }
      expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => [i, 5, 6, i, 0]));
    }
  });

  test("refuses what its ring cannot have, and what is no value", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const bad = async (options: object) => String(((await ring.settle(nop(options as never))) as { reason: unknown }).reason);
    if (ring.supports("IORING_NOP_CQE32")) expect(await bad({ extra: [1, 2] })).toContain("cqe: 32");
    expect(await bad({ result: 2 ** 31 })).toContain("result is 2147483648");
    if (ring.supports("IORING_NOP_FIXED_BUFFER")) expect(await bad({ buffer: 1 })).toContain("buffer is 1; it must be a FixedBuffer");
    expect(await bad({ taskWork: "yes" })).toContain("taskWork is 'yes'");
    expect(ring.raw.queued).toBe(0);
  });
});

describe("a NOP of 128 bytes", () => {
  test("completes where every SQE has 128", async () => {
    await using ring = await Ring.open({ entries: 8, sqe: 128 });
    for (let i = 0; i < 20; i++)
      expect(await ring.run(kernelAtLeast("6.10") ? nop128({ result: i }) : nop128())).toBe(kernelAtLeast("6.10") ? i : 0);
  });

  since("6.19")("completes between short ones, all around a ring of both sizes", async () => {
    await using ring = await Ring.open({ entries: 8, sqe: "mixed" });
    expect(ring.supports(nop128())).toBe(true);
    for (let i = 0; i < 50; i++) {
      expect(await ring.run(nop128({ result: i }))).toBe(i);
      if (i % 3 === 0) expect(await ring.run(nop())).toBe(0);
    }
  });

  test("does not fit a ring whose SQEs have 64", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await ring.settle(nop128())).toMatchObject({ reason: { name: "TypeError", message: expect.stringContaining("sqe: 128") } });
    using raw = new RawRing({ entries: 8 });
    expect(() =>
      raw.nop128(
        raw.allocate(() => {}),
        abi.IORING_NOP_INJECT_RESULT,
        1,
      ),
    ).toThrow(TypeError);
  });
});
