import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { UringError } from "uring-ublk";
import { blockErrnoOf, errnoName, errnoOf, SystemError, sys } from "uring-ublk/ffi";

describe("errno names", () => {
  test("are those of the C library", () => {
    for (const [name, number] of Object.entries(constants.errno)) {
      if (["EWOULDBLOCK", "ENOTSUP", "EDEADLOCK"].includes(name)) continue; // second names
      expect({ [name]: errnoName(number) }).toEqual({ [name]: name });
      expect({ [name]: errnoOf(name) }).toEqual({ [name]: -number });
    }
  });

  test("have second names and nameless numbers", () => {
    expect([errnoOf("EWOULDBLOCK"), errnoOf("ENOTSUP")]).toEqual([-11, -95]);
    expect([errnoOf("ENOSUCHTHING"), errnoOf(".")]).toEqual([undefined, undefined]);
    expect([errnoName(-524), errnoName(524), errnoName(-2), errnoName(133)]).toEqual(["E524", "E524", "ENOENT", "EHWPOISON"]);
  });
});

describe("a system call that fails", () => {
  test("throws its name, code, negative errno and subject", () => {
    try {
      sys.open("/no/such/file", 0);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(SystemError);
      expect(error).toBeInstanceOf(Error);
      expect(error).toMatchObject({
        name: "SystemError",
        code: "ENOENT",
        errno: -2,
        syscall: "open",
        message: "open '/no/such/file': ENOENT",
      });
    }
  });

  test("hints at cause and remedy where one is known", () => {
    const error = new SystemError({ syscall: "open", errno: -24 });
    expect(error.hint).toContain("ulimit -n");
    expect(error.message).toContain(error.hint!);
    expect(new SystemError({ syscall: "x", errno: -24, hint: "better" }).hint).toBe("better");
    expect(new SystemError({ syscall: "x", errno: -71 }).hint).toBeUndefined();
  });

  test("of a ring names the operation", () => {
    const error = new UringError({ operation: "read", errno: -14 });
    expect(error).toMatchObject({
      name: "UringError",
      code: "EFAULT",
      operation: "read",
      syscall: "io_uring read",
      hint: expect.stringContaining("not mapped"),
    });
    expect(error).toBeInstanceOf(SystemError);
  });

  test("keeps its cause", () => {
    const cause = new Error("before");
    expect(new SystemError({ syscall: "x", errno: -5, cause }).cause).toBe(cause);
  });
});

describe("what is handed to the block layer", () => {
  const cases: [string, unknown, number][] = [
    ["a SystemError", new SystemError({ syscall: "pwrite", errno: -28 }), -28],
    ["a SystemError made with a positive errno", new SystemError({ syscall: "pwrite", errno: 28 }), -28],
    ["a UringError", new UringError({ operation: "read", errno: -61 }), -61],
    ["a code", Object.assign(new Error("x"), { code: "ENOSPC" }), -28],
    ["a code that nobody knows", Object.assign(new Error("x"), { code: "ERR_ODD" }), -5],
    ["an errno alone", { errno: -30 }, -30],
    ["a positive errno", { errno: 30 }, -30],
    ["an errno of 0", { errno: 0 }, -5],
    ["an errno far out", { errno: -100000 }, -5],
    ["a plain error", new Error("x"), -5],
    ["a string", "ENOSPC", -5],
    ["nothing", undefined, -5],
    ["null", null, -5],
  ];
  for (const [what, error, errno] of cases) {
    test(`for ${what} is ${errno}: never 0 and never positive`, () => expect(blockErrnoOf(error)).toBe(errno));
  }

  test("for an error of node:fs is its own", () => {
    try {
      readFileSync("/no/such/file");
      expect.unreachable();
    } catch (error) {
      expect(blockErrnoOf(error)).toBe(-2);
    }
  });
});
