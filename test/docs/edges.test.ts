import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/child.ts";

interface Row {
  readonly number: number;
  readonly truth: string;
  readonly tests: readonly { readonly file: string; readonly name: string }[];
}

/** The tests that a cell names: a file, and names in it. */
function testsIn(cell: string): Row["tests"] {
  return [...cell.matchAll(/`(test\/[^`]+)`: ((?:"[^"]+"(?:, )?)+)/g)].flatMap(([, file, names]) =>
    [...names!.matchAll(/"([^"]+)"/g)].map(([, name]) => ({ file: file!, name: name! })),
  );
}

const rows: Row[] = readFileSync(join(ROOT, "docs/edges.md"), "utf8")
  .split("\n")
  .filter((line) => /^\| \d+ /.test(line))
  .map((line) => {
    const [number, , truth, tests] = line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "").trim());
    return { number: Number(number), truth: truth!, tests: testsIn(tests!) };
  });

describe("docs/edges.md", () => {
  test("has every edge once", () => {
    const numbers = rows.map(({ number }) => number).sort((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 59 }, (_, i) => i + 1));
  });

  test("names tests that are there, in the files where they are", () => {
    const missing = rows.flatMap(({ number, tests }) =>
      tests
        .filter(({ file, name }) => !existsSync(join(ROOT, file)) || !nameStandsIn(readFileSync(join(ROOT, file), "utf8"), name))
        .map(({ file, name }) => `${number}: ${file}: ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test("has a test for every edge that code of the library can reach", () => {
    const without = rows.filter(({ tests }) => tests.length === 0);
    expect(without.filter(({ truth }) => !/[Nn]ot built yet/.test(truth))).toEqual([]);
    expect(rows.length - without.length).toBeGreaterThanOrEqual(45);
  });
});

/** Whether a file has a test of this name: all of it, as a string of its source. */
function nameStandsIn(source: string, name: string): boolean {
  return ['"', "`"].some((quote) => source.includes(`${quote}${name}${quote}`));
}
