import { describe, expect, test } from "bun:test";
import manifest from "../../package.json";
import { COMMANDS } from "../../src/cli/commands.ts";
import { cli, PROGRAM } from "../support/cli.ts";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, requires } from "../support/requires.ts";

describe("the uring-ublk command", () => {
  test("prints help on standard output", async () => {
    const { status, stdout, stderr } = await cli("--help");
    expect(stdout).toContain("del ID...");
    expect([status, stderr]).toEqual([0, ""]);
    expect((await cli("del", "--help")).stdout).toBe((await cli("help", "del")).stdout);
  });

  test("writes all of it, however slowly it is read, and ends where nobody reads", async () => {
    const pipe = (reader: string): Promise<string> =>
      sh(`set +o pipefail; "$1" "$2" help manual | { ${reader}; }; echo "\${PIPESTATUS[0]}"`, process.execPath, PROGRAM);
    const { stdout } = await cli("help", "manual");
    expect(stdout.length).toBeGreaterThan(20_000);
    expect(await pipe("sleep 1; wc -c")).toBe(`${Buffer.byteLength(stdout)}\n0`);
    expect(await pipe("exec <&-; sleep 2")).toBe("141");
    expect(await sh(`"$1" "$2" help manual 2>&1 >/dev/full || echo "status $?"`, process.execPath, PROGRAM)).toContain("ENOSPC");
  });

  test("prints the package's version", async () => {
    expect(await cli("--version")).toEqual({ status: 0, stdout: `${manifest.version}\n`, stderr: "" });
  });

  test("ends with 2 for wrong usage, and names the right word", async () => {
    const { status, stdout, stderr } = await cli("lits");
    expect(stderr).toBe("uring-ublk: unknown command 'lits'; did you mean 'list'? (see uring-ublk --help)\n");
    expect([status, stdout]).toEqual([2, ""]);
    expect(await cli("completion", "fihs")).toMatchObject({
      status: 2,
      stdout: "",
      stderr: expect.stringContaining("did you mean 'fish'?"),
    });
    expect(await cli("help", "adl")).toMatchObject({ status: 2, stderr: expect.stringContaining("did you mean 'add'?") });
  });

  const t = requires(!haveUblk(), "this machine has ublk");
  const needy = COMMANDS.filter(({ name }) => !["add", "stats", "doctor", "completion", "help"].includes(name));
  for (const { name, words } of needy) {
    const behind = { none: [], device: ["0"], devices: ["0"], "device-and-size": ["0", "1g"] }[words as "none"] ?? [];
    t(`says in plain words what '${[name, ...behind].join(" ")}' needs where there is no ublk`, async () => {
      const { status, stdout, stderr } = await cli(name, ...behind);
      expect(stderr).toContain("uring-ublk: the ublk driver is not loaded: run `modprobe ublk_drv`");
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect([status, stdout]).toEqual([1, ""]);
    });
  }

  t("says which disk there is not, and that there are none", async () => {
    expect(await cli("stats", "7")).toMatchObject({
      status: 1,
      stderr: "uring-ublk: there is no disk 7; uring-ublk list shows what there is\n",
    });
    expect(await cli("stats")).toEqual({ status: 0, stdout: "", stderr: "uring-ublk: there are no ublk disks\n" });
    expect((await cli("stats", "--json")).stdout).toBe("[]\n");
  });

  t("has its doctor say what is missing, with a status that says that something is", async () => {
    const { status, stdout } = await cli("doctor", "--json");
    const { sound, findings } = JSON.parse(stdout) as { sound: boolean; findings: { check: string; level: string }[] };
    expect([status, sound]).toEqual([1, false]);
    expect(findings).toContainEqual(expect.objectContaining({ check: "module", level: "problem" }));
    expect((await cli("doctor")).stdout).toContain("PROBLEM");
  });
});
