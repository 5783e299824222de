import { toArrayBuffer } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import { nop, Ring, UringError } from "uring-ublk";
import { type RingSyscalls, ringSyscalls, sys } from "uring-ublk/ffi";
import { abi, queryKernel, RawRing } from "uring-ublk/uring";
import { haveLiburing, kernelAtLeast, requires } from "../support/requires.ts";

/** A kernel that does not know some of the setup flags, as older ones do not. */
function kernelWithout(unknown: number, log: number[] = []): RingSyscalls {
  const real = ringSyscalls();
  return {
    ...real,
    setup(entries, params) {
      const flags = new Uint32Array(toArrayBuffer(params as never, 8, 4))[0]!;
      log.push(flags);
      return (flags & unknown) === 0 ? real.setup(entries, params) : -22;
    },
  };
}

/** The flags that came with a kernel or later. */
const SINCE_6_6 = abi.IORING_SETUP_NO_SQARRAY;
const SINCE_6_1 = SINCE_6_6 | abi.IORING_SETUP_DEFER_TASKRUN;
const SINCE_6_0 = SINCE_6_1 | abi.IORING_SETUP_SINGLE_ISSUER;
const SINCE_5_19 = SINCE_6_0 | abi.IORING_SETUP_COOP_TASKRUN | abi.IORING_SETUP_TASKRUN_FLAG;
const SINCE_5_18 = SINCE_5_19 | abi.IORING_SETUP_SUBMIT_ALL;

describe("the best setup", () => {
  const cases: [kernel: string, unknown: number, chosen: string[], refused: string[]][] = [
    ["7.2", 0, ["DEFER_TASKRUN", "NO_SQARRAY", "SINGLE_ISSUER", "SUBMIT_ALL"], []],
    ["6.5", SINCE_6_6, ["DEFER_TASKRUN", "SINGLE_ISSUER", "SUBMIT_ALL"], ["NO_SQARRAY"]],
    ["6.0", SINCE_6_1, ["COOP_TASKRUN", "SINGLE_ISSUER", "SUBMIT_ALL"], ["NO_SQARRAY", "DEFER_TASKRUN"]],
    ["5.19", SINCE_6_0, ["COOP_TASKRUN", "SUBMIT_ALL"], ["NO_SQARRAY", "DEFER_TASKRUN", "SINGLE_ISSUER"]],
    ["5.18", SINCE_5_19, ["SUBMIT_ALL"], ["NO_SQARRAY", "DEFER_TASKRUN", "SINGLE_ISSUER", "COOP_TASKRUN"]],
    ["5.17", SINCE_5_18, [], ["NO_SQARRAY", "DEFER_TASKRUN", "SINGLE_ISSUER", "COOP_TASKRUN", "SUBMIT_ALL"]],
  ];
  for (const [kernel, unknown, chosen, refused] of cases) {
    const t = requires(kernelAtLeast("6.6"), "an older kernel is imitated on Linux 6.6 and newer");
    t(`on a kernel like ${kernel} is found by stepping down, recorded, and works`, async () => {
      await using ring = await Ring.open({ entries: 8, syscalls: kernelWithout(unknown) });
      expect([...ring.record.flagNames].sort()).toEqual([...chosen].sort());
      expect(ring.record.refused.map(({ flag }) => flag)).toEqual(refused);
      for (const { code, since } of ring.record.refused) {
        expect(code).toBe("EINVAL");
        expect(since).toMatch(/^\d+\.\d+$/);
      }
      expect(await Promise.all(Array.from({ length: 100 }, () => ring.run(nop())))).toEqual(Array.from({ length: 100 }, () => 0));
    });
  }

  test("is asked for once where the kernel knows everything", async () => {
    const log: number[] = [];
    await using ring = await Ring.open({ entries: 8, syscalls: kernelWithout(0, log) });
    expect(log.length).toBe(1 + ring.record.refused.length);
    expect(log.at(-1)).toBe(ring.record.flags);
  });

  test("never gives up a flag that was asked for", async () => {
    const asked = Ring.open({ entries: 8, taskrun: "defer", syscalls: kernelWithout(SINCE_6_1) });
    const error = await asked.then(
      () => "opened",
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(UringError);
    expect(error).toMatchObject({ code: "EINVAL", operation: "setup", syscall: "io_uring_setup" });
    expect((error as Error).message).toContain("DEFER_TASKRUN");
    expect((error as UringError).hint).toContain("does not know a flag");
  });

  test("does not step down from what stepping down cannot cure", async () => {
    for (const [errno, code, hint] of [
      [-1, "EPERM", "io_uring_disabled"],
      [-38, "ENOSYS", "no io_uring"],
      [-12, "ENOMEM", "ulimit -l"],
    ] as const) {
      let calls = 0;
      const syscalls = {
        ...ringSyscalls(),
        setup: () => {
          calls++;
          return errno;
        },
      };
      const error = await Ring.open({ entries: 8, syscalls }).then(
        () => "opened",
        (e: unknown) => e,
      );
      expect(error).toMatchObject({ code, hint: expect.stringContaining(hint) });
      expect(calls).toBe(1);
    }
  });
});

describe("sizes", () => {
  test("are rounded up by the kernel, and recorded", () => {
    using raw = new RawRing({ entries: 5, cqEntries: 33 });
    expect([raw.record.sqEntries, raw.record.cqEntries]).toEqual([8, 64]);
    using plain = new RawRing();
    expect([plain.record.sqEntries, plain.record.cqEntries]).toEqual([128, 256]);
  });

  test("reach the kernel's limits", () => {
    using raw = new RawRing({ entries: 32768, cqEntries: 65536 });
    expect([raw.record.sqEntries, raw.record.cqEntries]).toEqual([32768, 65536]);
    expect(raw.room).toBe(32768);
  });

  test("beyond the limits are refused with a remedy, or clamped on request", () => {
    expect(() => new RawRing({ entries: 32769 })).toThrow(/entries is 32769.*clamp/);
    using raw = new RawRing({ entries: 100_000, clamp: true });
    expect([raw.record.sqEntries, raw.record.cqEntries]).toEqual([32768, 65536]);
  });

  // Before 6.12 such memory had to be in one piece.
  const ownMemory = requires(kernelAtLeast("6.12"), "a large ring in its own memory needs Linux 6.12");
  ownMemory("beyond the limits are clamped in memory of the process too", () => {
    using raw = new RawRing({ entries: 100_000, clamp: true, ownMemory: true });
    expect(raw.record.sqEntries).toBe(32768);
  });

  ownMemory("of any kind work in memory of the process", async () => {
    for (const shape of [
      { entries: 1 },
      { entries: 7 },
      { entries: 4096 },
      { entries: 8, cqEntries: 4096 },
      { entries: 512, sqe: 128, cqe: 32 },
    ] as const) {
      await using ring = await Ring.open({ ownMemory: true, ...shape });
      expect(await Promise.all(Array.from({ length: 300 }, () => ring.run(nop())))).toEqual(Array.from({ length: 300 }, () => 0));
    }
  });
});

describe("the ring's own calls", () => {
  test("go through a registered descriptor, or not when that is refused or unwanted", async () => {
    const fds: number[] = [];
    const flags: number[] = [];
    const watch = (real: RingSyscalls): RingSyscalls => ({
      ...real,
      enter(fd, ...rest) {
        fds.push(fd);
        flags.push(rest[2]);
        return real.enter(fd, ...rest);
      },
    });
    const run = async (options: object, real = ringSyscalls()): Promise<{ own: boolean; registered: boolean }> => {
      fds.length = flags.length = 0;
      await using ring = await Ring.open({ entries: 8, syscalls: watch(real), ...options });
      await ring.run(nop());
      const registered = (flags[0]! & abi.IORING_ENTER_REGISTERED_RING) !== 0;
      return { own: fds[0] === ring.raw.fd && !registered, registered };
    };
    expect(await run({})).toEqual({ own: false, registered: true });
    expect(await run({ registerRingFd: false })).toEqual({ own: true, registered: false });
    const refusing = ringSyscalls();
    const noRingFds: RingSyscalls = {
      ...refusing,
      register: (fd, op, argument, count) => (op === abi.IORING_REGISTER_RING_FDS ? -22 : refusing.register(fd, op, argument, count)),
    };
    expect(await run({}, noRingFds)).toEqual({ own: true, registered: false });
  });

  test("are more than a thread can register descriptors for, without anybody noticing", async () => {
    const rings = await Promise.all(Array.from({ length: 30 }, () => Ring.open({ entries: 4 })));
    for (const ring of rings) expect(await ring.run(nop())).toBe(0);
    await Promise.all(rings.map((ring) => ring.close()));
  });

  const both = requires(haveLiburing(), "needs liburing.so.2");
  both("come from either library, as the record says", async () => {
    for (const provider of ["libc", "liburing"] as const) {
      await using ring = await Ring.open({ entries: 8, syscalls: ringSyscalls(provider) });
      expect(ring.record.syscalls).toBe(provider);
    }
  });
});

describe("attaching to another ring", () => {
  test("shares its worker pool", async () => {
    await using first = await Ring.open({ entries: 8 });
    await using second = await Ring.open({ entries: 8, attachTo: first.raw.fd });
    expect(second.record.flagNames).toContain("ATTACH_WQ");
    expect(await second.run(nop())).toBe(0);
  });

  test("to what is no ring fails with the kernel's reason", async () => {
    const fd = sys.open("/dev/null", 0);
    await expect(Ring.open({ entries: 8, attachTo: fd })).rejects.toThrow(/EINVAL/);
    sys.close(fd);
  });
});

describe("queryKernel", () => {
  const query = requires(kernelAtLeast("6.18"), "IORING_REGISTER_QUERY needs Linux 6.18");
  query("tells what the running kernel has, without a ring", () => {
    const support = queryKernel()!;
    expect(support.opcodes).toBeGreaterThanOrEqual(63);
    expect(support.registerOpcodes).toBeGreaterThanOrEqual(36);
    expect(support.setupFlags & abi.IORING_SETUP_CQE_MIXED).not.toBe(0);
    expect(support.setupFlags & abi.IORING_SETUP_SQ_REWIND).toBe(kernelAtLeast("7.0") ? abi.IORING_SETUP_SQ_REWIND : 0);
    expect(support.features & abi.IORING_FEAT_EXT_ARG).not.toBe(0);
    expect(support.enterFlags & abi.IORING_ENTER_REGISTERED_RING).not.toBe(0);
    expect(support.sqeFlags & abi.IOSQE_IO_LINK).not.toBe(0);
  });

  const old = requires(!kernelAtLeast("6.18"), "needs a kernel older than 6.18");
  old("is undefined on kernels that cannot tell", () => expect(queryKernel()).toBeUndefined());

  test("is undefined where the call is refused", () => {
    expect(queryKernel({ ...ringSyscalls(), register: () => -22 })).toBeUndefined();
  });
});

describe("ring.supports", () => {
  test("asks the kernel, and an operation that is missing says which kernel has it", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(ring.supports(nop())).toBe(true);
    expect(ring.supports({ opcode: 200 })).toBe(false);
    const real = ringSyscalls();
    const ancient: RingSyscalls = {
      ...real,
      register: (fd, op, argument, count) => (op === abi.IORING_REGISTER_PROBE ? -22 : real.register(fd, op, argument, count)),
    };
    await using old = await Ring.open({ entries: 8, syscalls: ancient });
    expect(old.supports(nop())).toBe(false);
    expect(await old.settle(nop())).toMatchObject({
      status: "failed",
      reason: { code: "EOPNOTSUPP", hint: expect.stringContaining("Linux 5.1") },
    });
  });
});
