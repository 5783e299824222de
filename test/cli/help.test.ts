import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { COMMAND_NAMES, COMMANDS } from "../../src/cli/commands.ts";
import { help } from "../../src/cli/help.ts";
import { manual } from "../../src/cli/manual.ts";
import { TOPICS } from "../../src/cli/topics.ts";

describe("help", () => {
  test("names every command and every topic", () => {
    const words = help(undefined).split(/\s+/);
    for (const name of [...COMMAND_NAMES, ...TOPICS.map((topic) => topic.name)]) expect(words).toContain(name);
  });

  test("has every option of a command", () => {
    for (const { name, options } of COMMANDS) for (const option of options) expect(help(name)).toContain(`  ${option.name}`);
  });

  test("fits a terminal, and leaves no blanks at the ends of lines", () => {
    for (const text of [help(undefined), ...[...COMMANDS, ...TOPICS].map(({ name }) => help(name))]) {
      expect(text.split("\n").filter((line) => line.length > 100 || line !== line.trimEnd())).toEqual([]);
    }
  });

  test("of what there is not names the nearest", () => {
    expect(() => help("exit-staus")).toThrow("unknown topic 'exit-staus'; did you mean 'exit-status'?");
  });

  test("is docs/cli.md; after a change of help: bun src/cli/main.ts help manual > docs/cli.md", () => {
    expect(readFileSync(join(import.meta.dir, "../../docs/cli.md"), "utf8")).toBe(manual());
  });
});
