// usual kernels: the newest
// file timeout: 600 s
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { ROOT, runProgram } from "../support/child.ts";
import { haveUblk, requires } from "../support/requires.ts";
import { allExamples, type Example, examplesIn, keeps, needsUblk, promises } from "./extract.ts";
import { typeErrors } from "./typecheck.ts";

// Below the root, so that `uring-ublk` is found as in every program of this repository.
const FOLDER = join(ROOT, "vm-out", `examples-${process.pid}`);

const examples = allExamples();

/** Runs the example as its own program and compares what it prints with what it says it prints. */
async function expectToRun(example: Example, n: number): Promise<void> {
  const path = join(FOLDER, `example-${n}.ts`);
  writeFileSync(path, example.code);
  const { status, signal, stdout, stderr } = await runProgram(relative(join(ROOT, "test"), path));
  expect({ where: example.where, status, signal, stderr }).toEqual({
    where: example.where,
    status: 0,
    signal: null,
    stderr: "",
  });
  let lines = stdout.split("\n");
  for (const promise of promises(example)) {
    const at = lines.findIndex((line) => keeps(line, promise));
    expect({ printed: lines, promised: at < 0 ? promise : undefined }).toEqual({
      printed: lines,
      promised: undefined,
    });
    lines = lines.slice(at + 1);
  }
}

describe("every example of the documentation", () => {
  beforeAll(() => {
    mkdirSync(FOLDER, { recursive: true });
  });
  afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

  test("is found", () => {
    expect(examples.length).toBeGreaterThanOrEqual(8);
    expect(examples.some(({ file }) => file.startsWith("src/uring/"))).toBe(true);
  });

  test("has the types it needs", () => {
    const complaints = [...typeErrors(examples).values()].flat();
    expect(complaints).toEqual([]);
  }, 120_000);

  for (const [n, example] of examples.entries()) {
    if (!example.run) continue;
    const t = requires(!needsUblk(example) || haveUblk(), "needs a kernel with ublk");
    t(`runs: ${example.where}`, () => expectToRun(example, n), 60_000);
  }
});

describe("what the examples are taken from", () => {
  const page = "Text\n```ts\nconst a = 1;\n```\n```sh\nls\n```\n```ts no-run\nb();\n```\n";

  test("is fenced blocks of TypeScript, in pages and in docstrings", () => {
    expect(examplesIn("page.md", page).map(({ line, code, run }) => [line, code, run])).toEqual([
      [3, "const a = 1;\n", true],
      [9, "b();\n", false],
    ]);
    const docstring = "/**\n * @example\n * ```ts\n * if (a) {\n *   b();\n * }\n *\n * ```\n */\n";
    expect(examplesIn("a.ts", docstring)[0]).toMatchObject({ line: 4, code: "if (a) {\n  b();\n}\n\n" });
  });

  test("is never overlooked because of a mistake in the fence", () => {
    expect(() => examplesIn("page.md", "```ts norun\n```\n")).toThrow(/marked 'norun'/);
    expect(() => examplesIn("page.md", "```ts\nnever ends\n")).toThrow(/has no end/);
  });

  test("says what it prints behind console.log", () => {
    const [example] = examplesIn("page.md", "```ts\nconsole.log(1); // 1\nconsole.log(f(2)); // Linux ...\nf(); // not this\n```\n");
    expect(promises(example!)).toEqual(["1", "Linux ..."]);
    expect([keeps("1", "1"), keeps("Linux 6", "Linux ..."), keeps("true", "true on 5.18"), keeps("2", "1"), keeps("tr", "true")]).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    const either = (since: string): string => `new, or old before Linux ${since}`;
    expect([keeps("new", either("5.0")), keeps("old", either("5.0")), keeps("old", either("99.0")), keeps("new", either("99.0"))]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test("tells which of them make block devices", () => {
    const make = (code: string): Example => examplesIn("page.md", `\`\`\`ts\n${code}\n\`\`\`\n`)[0]!;
    expect(needsUblk(make('import { nop } from "uring-ublk";'))).toBe(false);
    expect(needsUblk(make("await serve({});"))).toBe(true);
    expect(needsUblk(make("UblkDevice.open();"))).toBe(true);
    expect(needsUblk(make('import {} from "uring-ublk/ublk";'))).toBe(false);
  });
});
