import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { FileResult } from "../../scripts/testing/outcome.ts";
import { runTestFile } from "../../scripts/testing/run-file.ts";

// Below the repository, because a test file is named by its path from there; ignored by git and by the runner.
mkdirSync("vm-out", { recursive: true });
const folder = mkdtempSync(join(process.cwd(), "vm-out", "run-file-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(name: string, body: string): Promise<FileResult> {
  const file = join(folder, `${name}.test.ts`);
  writeFileSync(file, `import { expect, test } from "bun:test";\n${body}\n`);
  return runTestFile(relative(process.cwd(), file), {
    outDir: join(folder, "out"),
    fileTimeoutSeconds: 20,
    testTimeoutSeconds: 5,
  });
}

const failures = ({ outcomes }: FileResult): string[] =>
  outcomes.flatMap(({ status, message }) => (status === "failed" ? [message ?? ""] : []));

test("a good file passes", async () => {
  const result = await run("good", 'test("one", () => {}); test("two", () => {});');
  expect(result.outcomes).toEqual([
    { name: "one", status: "passed" },
    { name: "two", status: "passed" },
  ]);
});

test("a crash of Bun is a failure, and its output is shown", async () => {
  const result = await run("crash", 'test("first", () => {}); test("x", () => process.kill(process.pid, "SIGSEGV"));');
  expect(failures(result)).toEqual([expect.stringMatching(/killed by SIGSEGV[\s\S]*\(pass\) first/)]);
});

test("an exit in the middle is a failure, although its status is 0", async () => {
  const result = await run("exit", 'test("x", () => process.exit(0)); test("y", () => {});');
  expect(failures(result)).toEqual([expect.stringContaining("no results were written")]);
});

test("a file without a test is a failure", async () => {
  expect(failures(await run("empty", "expect(1).toBe(1);"))).toHaveLength(1);
});

test("a file that cannot be loaded is a failure with its reason", async () => {
  const result = await run("broken", 'import { x } from "./missing.ts"; test("x", () => x());');
  expect(failures(result)).toEqual([expect.stringContaining("missing.ts")]);
});

test("a hang ends at the file's own time limit, with everything it started", async () => {
  const body = '// file timeout: 1 s\ntest("x", () => { Bun.spawn(["sleep", "1234567"]); for (;;); });';
  const result = await run("hang", body);
  expect(failures(result)).toEqual([expect.stringContaining("did not end within 1 s")]);
  const left = Bun.spawnSync(["ps", "-eo", "args"]).stdout.toString();
  expect(left).not.toContain("sleep 1234567");
});

test("a background error makes the file fail", async () => {
  const body = 'test("x", async () => { setTimeout(() => { throw new Error("later"); }, 1); await Bun.sleep(50); });';
  expect(failures(await run("late", body))).toEqual([expect.stringContaining("later")]);
});
