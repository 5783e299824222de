import { describe, expect, test } from "bun:test";
import { addressOf, ringSyscalls, sys } from "uring-ublk/ffi";
import { haveLiburing, requires } from "../support/requires.ts";

const ENOSYS = -38;
const params = (): DataView<ArrayBuffer> => new DataView(new ArrayBuffer(120));

for (const provider of ["libc", "liburing"] as const) {
  const t = requires(provider === "libc" || haveLiburing(), "needs liburing.so.2");
  describe(`the ring's system calls from ${provider}`, () => {
    t("say where they come from, and are looked up once", () => {
      expect(ringSyscalls(provider).provider).toBe(provider);
      expect(ringSyscalls(provider)).toBe(ringSyscalls(provider));
    });

    t("set a ring up, submit to it and register with it", () => {
      const { setup, enter, register } = ringSyscalls(provider);
      const view = params();
      const fd = setup(4, addressOf(view));
      expect(fd).toBeGreaterThanOrEqual(0);
      expect(view.getUint32(0, true)).toBe(4);
      expect(enter(fd, 0, 0, 1, 0, 0)).toBe(0);
      const probe = new Uint8Array(16 + 256 * 8);
      expect(register(fd, 8, addressOf(probe), 256)).toBe(0);
      expect(probe[0]).toBeGreaterThan(30);
      sys.close(fd);
    });

    t("answer a negative errno, each its own", () => {
      const { setup, enter, register } = ringSyscalls(provider);
      expect(setup(0, addressOf(params()))).toBe(-22); // EINVAL
      expect(setup(4, 0)).toBe(-14); // EFAULT
      expect(enter(1_000_000, 0, 0, 0, 0, 0)).toBe(-9); // EBADF
      const file = sys.open("/dev/null", 0);
      expect(enter(file, 0, 0, 0, 0, 0)).toBe(-95); // EOPNOTSUPP: not a ring
      expect(register(file, 8, 0, 0)).toBe(-95);
      sys.close(file);
      const fd = setup(4, addressOf(params()));
      expect(register(fd, 9999, 0, 0)).toBe(-22);
      expect(enter(fd, 0, 0, 0xff00, 0, 0)).toBe(-22);
      sys.close(fd);
      expect(setup(4, 0)).not.toBe(ENOSYS);
    });

    t("wait with a time limit", () => {
      const { setup, enter } = ringSyscalls(provider);
      const fd = setup(4, addressOf(params()));
      const argument = new BigUint64Array(new ArrayBuffer(40)); // io_uring_getevents_arg, and its timespec behind it
      argument[2] = BigInt(addressOf(argument) + 24);
      argument[4] = 2_000_000n;
      const started = Bun.nanoseconds();
      expect(enter(fd, 0, 1, 1 | 8, addressOf(argument), 24)).toBe(-62); // ETIME
      expect(Bun.nanoseconds() - started).toBeGreaterThanOrEqual(2_000_000);
      sys.close(fd);
    });
  });
}

describe("the choice of library", () => {
  test("is made by the environment variable, or for the best", () => {
    expect(ringSyscalls(undefined).provider).toBe(haveLiburing() ? "liburing" : "libc");
    expect(ringSyscalls("").provider).toBe(haveLiburing() ? "liburing" : "libc");
    expect(() => ringSyscalls("musl")).toThrow(/URING_UBLK_SYSCALLS is 'musl'; it must be 'libc' or 'liburing'/);
  });
});
