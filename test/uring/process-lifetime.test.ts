// file timeout: 600 s
import { describe, expect, test } from "bun:test";
import { runProgram, startProgram } from "../support/child.ts";

const PROGRAM = "uring/programs/exits.ts";

describe("a program that never closes its ring", () => {
  const ways = ["nothing", "nops", "timeouts", "many", "aborted", "multishot", "released-and-again"];
  for (const way of ways) {
    test(`exits by itself when nothing is in flight: ${way}`, async () => {
      const { status, stdout, stderr } = await runProgram(PROGRAM, [way]);
      expect(stderr).toBe("");
      expect(stdout).toBe(`${way} done\n`);
      expect(status).toBe(0);
    });
  }

  test("exits after an operation of the raw layer", async () => {
    const { status, stdout } = await runProgram(PROGRAM, ["raw"]);
    expect(stdout.split("\n").sort()).toEqual(["", "raw", "raw done"]);
    expect(status).toBe(0);
  });

  test("exits after its ring has failed", async () => {
    const { status, stdout } = await runProgram(PROGRAM, ["failed"]);
    expect(stdout).toBe("ProtocolError\nfailed done\n");
    expect(status).toBe(0);
  });

  test("stays while an operation is in flight that nobody awaits", async () => {
    const { status, stdout } = await runProgram(PROGRAM, ["later"]);
    expect(stdout).toBe("later done\nafter the timeout\n");
    expect(status).toBe(0);
  });

  test("stays as long as something is in flight, and not longer", async () => {
    const child = startProgram(PROGRAM, ["input"]);
    const output = child.stdout.getReader();
    expect(new TextDecoder().decode((await output.read()).value)).toBe("waiting\n");
    expect(await Promise.race([child.exited, Bun.sleep(300).then(() => "still there")])).toBe("still there");
    child.stdin.write("x");
    await child.stdin.flush();
    expect(await child.exited).toBe(0);
    expect(new TextDecoder().decode((await output.read()).value)).toContain("got x\n");
  });
});
