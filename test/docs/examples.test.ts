import { describe, expect, test } from "bun:test";
import { allExamples, type Example, examplesIn, keeps, needsUblk, promises } from "./extract.ts";
import { runExamples } from "./run.ts";
import { typeErrors } from "./typecheck.ts";

const examples = allExamples();

// Those that make disks run in the VM: test/examples/documentation.test.ts.
runExamples("every example of the documentation", (example) => !needsUblk(example));

describe("the examples of the documentation", () => {
  test("are found", () => {
    expect(examples.length).toBeGreaterThanOrEqual(8);
    expect(examples.some(({ file }) => file.startsWith("src/uring/"))).toBe(true);
  });

  test("have the types they need", () => {
    const complaints = [...typeErrors(examples).values()].flat();
    expect(complaints).toEqual([]);
  }, 120_000);
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
