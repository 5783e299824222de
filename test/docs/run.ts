import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { ROOT, runProgram } from "../support/child.ts";
import { ublkTest } from "../support/requires.ts";
import { allExamples, type Example, keeps, needsUblk, promises } from "./extract.ts";

// Below the root, so that `uring-ublk` is found as in every program of this repository.
const FOLDER = join(ROOT, "vm-out", `examples-${process.pid}`);

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

/** Pages of which the usual run takes the first example: each takes long on an emulated machine. */
const USUAL_PAGES = ["README.md", "docs/targets.md", "docs/zero-copy.md"];

const isUsual = ({ file, where }: Example): boolean =>
  USUAL_PAGES.includes(file) && allExamples().find((other) => other.file === file && other.run && needsUblk(other))!.where === where;

/** A test for each of the documentation's examples that are chosen. */
export function runExamples(name: string, chosen: (example: Example) => boolean): void {
  describe(name, () => {
    beforeAll(() => {
      mkdirSync(FOLDER, { recursive: true });
    });
    afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

    for (const [n, example] of allExamples().entries()) {
      if (!example.run || !chosen(example)) continue;
      const t = needsUblk(example) ? ublkTest(isUsual(example)) : test;
      t(`runs: ${example.where}`, () => expectToRun(example, n), 180_000);
    }
  });
}
