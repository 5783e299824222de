import { describe, expect, test } from "bun:test";
import manifest from "../../package.json";
import { cli } from "../support/cli.ts";
import { haveUblk, requires } from "../support/requires.ts";

describe("the uring-ublk command", () => {
  test("prints help on standard output", async () => {
    const { status, stdout, stderr } = await cli("--help");
    expect(stdout).toContain("uring-ublk del ID...");
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("prints the package's version", async () => {
    expect(await cli("--version")).toEqual({ status: 0, stdout: `${manifest.version}\n`, stderr: "" });
  });

  test("ends with 2 for wrong usage, and names the right word", async () => {
    const { status, stdout, stderr } = await cli("lits");
    expect(stderr).toBe("uring-ublk: unknown command 'lits'; did you mean 'list'? (see uring-ublk --help)\n");
    expect([status, stdout]).toEqual([2, ""]);
  });

  const t = requires(!haveUblk(), "this machine has ublk");
  for (const words of [["features"], ["list"], ["list", "--json"], ["del", "0"], ["del", "--all"]]) {
    t(`says in plain words what '${words.join(" ")}' needs where there is no ublk`, async () => {
      const { status, stdout, stderr } = await cli(...words);
      expect(stderr).toContain("uring-ublk: the ublk driver is not loaded: run `modprobe ublk_drv`");
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect([status, stdout]).toEqual([1, ""]);
    });
  }
});
