/** `npm run demo` as a command line; what it does with a disk is tested where there is ublk (test/examples). */
import { describe, expect, test } from "bun:test";
import { runProgram } from "../support/child.ts";
import { haveUblk, isRoot, requires } from "../support/requires.ts";

const demo = (...args: string[]) => runProgram("../scripts/demo.ts", args);

describe("the demo's command", () => {
  test("prints help", async () => {
    const { status, stdout, stderr } = await demo("--help");
    expect(stdout).toContain("--host            on this machine's own ublk, as root, instead of in the VM");
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("ends with 2 for wrong usage", async () => {
    for (const [args, message] of [
      [["--hots"], /Unknown option '--hots'/],
      [["--host", "--kernel", "6.12"], /--kernel chooses the VM's kernel; it does not go with --host/],
    ] as const) {
      const { status, stdout, stderr } = await demo(...args);
      expect(stderr).toMatch(message);
      expect([status, stdout]).toEqual([2, ""]);
    }
  });

  requires(isRoot() && !haveUblk(), "needs root and a machine without ublk")("says with --host what this machine lacks", async () => {
    const { status, stdout, stderr } = await demo("--host");
    expect(stderr).toBe("demo: this machine has no /dev/ublk-control: run `modprobe ublk_drv`, or leave --host out for the VM\n");
    expect([status, stdout]).toEqual([1, ""]);
  });
});
