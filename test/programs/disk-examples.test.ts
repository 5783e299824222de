/** What the examples that serve disks say of themselves, and of bad options: nothing of that needs ublk. */
import { describe, expect, test } from "bun:test";
import { runExample } from "../examples/program.ts";

const LIMIT = 60_000;
const PROGRAMS = ["http", "loop", "memory", "nbd", "null"] as const;

describe.each(PROGRAMS)("examples/%s", (name) => {
  test(
    "explains itself",
    async () => {
      const { status, out, err } = await runExample(name, "--help");
      expect({ status, err }).toEqual({ status: 0, err: "" });
      expect(out).toContain(`bun examples/${name}/main.ts`);
      for (const option of ["--mode", "--batch", "--depth", "--queues", "--id", "--max-io", "--workers", "--calling-thread"])
        expect(out).toContain(option);
    },
    LIMIT,
  );

  test(
    "refuses bad options in one line and a hint",
    async () => {
      const bad = [["--nonsense"], ["--depth", "many"], ["--mode", "fast"], ["--workers", "--calling-thread"]];
      const words = { http: ["http://localhost:1/x"], loop: ["/dev/null"], memory: [], nbd: ["localhost:1"], null: [] }[name];
      const answers = await Promise.all(bad.map((options) => runExample(name, ...words, ...options)));
      for (const [i, { status, out, err }] of answers.entries()) {
        expect({ status, out }).toEqual({ status: 2, out: "" });
        expect(err).toContain(bad[i]![0]!.slice(0, 9));
        expect(err).toContain("--help");
        expect(err).not.toContain("    at ");
      }
    },
    LIMIT,
  );
});

test(
  "loop, http and nbd say which argument is missing",
  async () => {
    for (const [name, word] of [
      ["loop", "PATH"],
      ["http", "URL"],
      ["nbd", "HOST"],
    ] as const) {
      const { status, err } = await runExample(name);
      expect(status).toBe(2);
      expect(err).toContain(`${word} is missing`);
    }
  },
  LIMIT,
);
