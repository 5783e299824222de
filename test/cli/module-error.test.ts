import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cli } from "../support/cli.ts";

// A module is loaded before the driver is asked for anything: what is wrong with it is told on every machine.
const folder = mkdtempSync(join(tmpdir(), "uring-ublk-modules-"));
const logs = join(folder, "logs");
process.env.URING_UBLK_LOG_DIR = logs;
afterAll(() => {
  delete process.env.URING_UBLK_LOG_DIR;
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

const ROWS: [what: string, lines: string[], where: string, message: string][] = [
  ["exports nothing as default", ["// a disk", "export const disk = 5;"], ":2: ", "it has no default export"],
  ["exports no target", ["", "export default 5;"], ":2: ", "the target is 5"],
  ["throws while it is loaded", ["const a = 1;", 'if (a === 1) throw new Error("boom");', "export default {};"], ":2:24: ", "boom"],
  ["is not TypeScript", ["const a = = 1;", "export default {};"], ":1:11: ", "Unexpected ="],
  ["imports what there is not", ["// x", 'import { x } from "./nothing.ts";', "export default x;"], ":2: ", "Cannot find module"],
  [
    "has a method of a wrong name",
    ["export default {", '  size: "1 MiB",', "  raed() {},", "};"],
    ":3: ",
    "there is no option 'raed'; did you mean 'read'?",
  ],
  [
    "has a method that is no function",
    ["export default {", '  size: "1 MiB",', "  read: 5,", "};"],
    ":3: ",
    "read is 5; it must be a function",
  ],
  ["has no read", ["// x", "export default {", '  size: "1 MiB",', "};"], ":2: ", "read is missing"],
];

describe("a module that cannot be served", () => {
  for (const [index, [what, lines, where, message]] of ROWS.entries()) {
    test(`is named with its line, and nothing stays: it ${what}`, async () => {
      const path = file(`disk-${index}.ts`, ...lines);
      const { status, stdout, stderr } = await cli("add", path);
      expect(stderr).toStartWith(`uring-ublk: ${path}${where}`);
      expect(stderr).toContain(message);
      expect([status, stdout]).toEqual([1, ""]);
      expect(readdirSync(logs)).toEqual([]);
    });
  }

  test("is named in the foreground, too; and where another file is to blame, that one is", async () => {
    const inner = file("inner.ts", "export const a = 1;", 'throw new Error("deep");');
    const outer = file("outer.ts", `import ${JSON.stringify(inner)};`, "export default {};");
    const { status, stderr } = await cli("add", outer, "--foreground");
    expect([status, stderr]).toEqual([1, `uring-ublk: ${inner}:2:11: deep\n`]);
  });

  test("that is not there is told apart, and the nearest one named", async () => {
    const path = file("nearly.ts", "export default {};");
    const { status, stderr } = await cli("add", path.replace("nearly", "naerly"));
    expect([status, stderr]).toEqual([1, `uring-ublk: there is no ${path.replace("nearly", "naerly")}; did you mean ${path}?\n`]);
  });
});
