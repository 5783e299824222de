import { describe, expect, test } from "bun:test";
import { nop, Ring, read, timeout, type UringError } from "uring-ublk";
import { abi, RawRing } from "uring-ublk/uring";

const code = (run: () => unknown): string => {
  try {
    run();
    return "none";
  } catch (error) {
    return (error as UringError).code ?? (error as Error).name;
  }
};

describe("a restricted ring", () => {
  test("does what it may, and refuses everything else", async () => {
    await using ring = await Ring.open({ entries: 8, disabled: true });
    const { register } = ring.raw;
    register.restrictions({
      registerOps: [abi.IORING_REGISTER_ENABLE_RINGS, abi.IORING_REGISTER_PROBE],
      operations: [nop(), abi.IORING_OP_ASYNC_CANCEL],
      allowedFlags: abi.IOSQE_ASYNC,
    });
    register.enable();
    expect(await ring.run(nop())).toBe(0);
    expect(await ring.run(nop().async())).toBe(0);
    expect(await ring.settle(nop().drain())).toMatchObject({ reason: { code: "EACCES" } });
    expect(await ring.settle(timeout({ ms: 1 }))).toMatchObject({ reason: { code: "EACCES", operation: "timeout" } });
    expect(await ring.settle(read({ fd: 0, buffer: new Uint8Array(1) }))).toMatchObject({ reason: { code: "EACCES" } });
    expect(register.probe().has(abi.IORING_OP_NOP)).toBe(true);
    expect(code(() => register.iowqMaxWorkers(0, 0))).toBe("EACCES");
  });

  test("may demand flags of every SQE", () => {
    using raw = new RawRing({ entries: 8, disabled: true, submitAll: true });
    raw.register.restrictions({
      registerOps: [abi.IORING_REGISTER_ENABLE_RINGS],
      operations: [abi.IORING_OP_NOP],
      requiredFlags: abi.IOSQE_ASYNC,
    });
    raw.register.enable();
    const results: number[] = [];
    const slots = [0, 1].map(() => raw.allocate((result) => results.push(result)));
    raw.nop(slots[0]!);
    raw.setFlags(abi.IOSQE_ASYNC);
    raw.enter(1);
    raw.reap();
    raw.nop(slots[1]!);
    raw.enter(1);
    raw.reap();
    expect(results).toEqual([0, -13]);
  });

  test("is restricted once, before it is enabled", () => {
    using raw = new RawRing({ entries: 8, disabled: true });
    raw.register.restrictions({ registerOps: [abi.IORING_REGISTER_ENABLE_RINGS] });
    expect(code(() => raw.register.restrictions({ operations: [abi.IORING_OP_NOP] }))).toBe("EBUSY");
    using enabled = new RawRing({ entries: 8 });
    expect(code(() => enabled.register.restrictions({ operations: [nop()] }))).toBe("EBADFD");
    expect(() => raw.register.restrictions({ operations: [256] })).toThrow(RangeError);
    expect(() => raw.register.restrictions({ operation: [] } as never)).toThrow(/did you mean/);
  });
});
