// usual kernels: this machine's, and the newest
import { describe, expect, test } from "bun:test";
import { cancel, FEATURES, type FeatureName, nop, nop128, Ring, timeout, uringCmd128 } from "uring-ublk";
import { abi, queryKernel, queryRingHeader, queryZeroCopyReceive } from "uring-ublk/uring";
import { kernelAtLeast, kernelRelease, requires } from "../support/requires.ts";

const names = Object.keys(FEATURES) as FeatureName[];

describe("supports", () => {
  test("knows of operations by the kernel's own probe", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(ring.supports(nop())).toBe(true);
    expect(ring.supports(cancel({ any: true }))).toBe(true);
    expect(ring.supports({ opcode: 200 })).toBe(false);
    expect(ring.supports(nop128())).toBe(kernelAtLeast("6.19"));
    expect(ring.supports(uringCmd128({ fd: 0, cmdOp: 0 }))).toBe(kernelAtLeast("6.19"));
  });

  test("agrees with the kernel's release about every flag and register operation", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const wrong = names.filter((name) => ring.supports(name) !== kernelAtLeast(FEATURES[name]));
    expect({ release: kernelRelease(), wrong }).toEqual({ release: kernelRelease(), wrong: [] });
  });

  test("asks the ring for what setup answered", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const features = names.filter((name) => name.startsWith("IORING_FEAT_"));
    expect(features.length).toBe(18);
    for (const name of features) expect([name, ring.supports(name)]).toEqual([name, (ring.record.features & abi[name]) !== 0]);
  });

  test("says what it does not know", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(() => ring.supports("IORING_SETUP_SQREWIND" as FeatureName)).toThrow(/did you mean 'IORING_SETUP_SQ_REWIND'/);
    expect(() => ring.supports("io_uring" as FeatureName)).toThrow(/there is no 'io_uring'/);
  });

  test("knows every constant of its kind", () => {
    const kinds = /^(IORING_(SETUP|FEAT|ENTER|UNREGISTER|ASYNC_CANCEL|ACCEPT|NOP)_|IOSQE_(?!.*_BIT$))/;
    const all = Object.keys(abi).filter((name) => kinds.test(name));
    expect(all.filter((name) => !(name in FEATURES))).toEqual([]);
    const calls = Object.keys(abi).filter((name) => /^IORING_REGISTER_(?!LAST|SRC_REGISTERED)/.test(name));
    expect(calls.filter((name) => !(name in FEATURES))).toEqual([]);
  });
});

describe("what this kernel does not have", () => {
  const missing = names.find((name) => !kernelAtLeast(FEATURES[name]));

  test("is refused before it is queued, with the kernel that brought it", async () => {
    await using ring = await Ring.open({ entries: 8, cqe: 32 });
    const newer: [FeatureName, () => Promise<unknown>][] = [
      ["IORING_NOP_CQE32", () => ring.settle(nop({ extra: [1, 2] }))],
      ["IORING_ASYNC_CANCEL_OP", () => ring.settle(cancel({ opcode: 1 }))],
      ["IORING_NOP_TW", () => ring.settle(nop({ taskWork: true }))],
    ];
    for (const [name, run] of newer) {
      const outcome = (await run()) as { reason?: unknown };
      const hint = `this kernel does not have ${name}; it came with Linux ${FEATURES[name]}`;
      if (ring.supports(name)) expect(String(outcome.reason)).not.toContain(hint);
      else expect(outcome.reason).toMatchObject({ code: "EOPNOTSUPP", hint });
    }
  });

  requires(missing !== undefined, "this kernel has everything")("is told of by name", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(ring.supports(missing!)).toBe(false);
  });

  requires(!kernelAtLeast("7.1"), "times in the SQE came with Linux 7.1")("is worked around where there is another way", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(ring.supports("IORING_TIMEOUT_IMMEDIATE_ARG")).toBe(false);
    expect(await ring.run(timeout({ ms: 1 }))).toBe("elapsed");
  });
});

describe("the kernel's answers without a ring", () => {
  requires(kernelAtLeast("6.18"), "needs Linux 6.18")("are the numbers of its own tables", () => {
    expect(queryKernel()).toMatchObject({ features: expect.any(Number), sqeFlags: 0x7f });
  });

  test("about zero-copy receives and ring headers are there, or not", () => {
    const zcrx = queryZeroCopyReceive();
    const header = queryRingHeader();
    if (!kernelAtLeast("6.18")) expect([zcrx, header]).toEqual([undefined, undefined]);
    if (zcrx !== undefined) expect(zcrx.refillHeader).toBeGreaterThan(0);
    if (header !== undefined) expect(header.size).toBeGreaterThanOrEqual(64);
  });
});
