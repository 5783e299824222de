import { describe, expect, test } from "bun:test";
import { parseArguments, UsageError } from "../../src/cli/arguments.ts";

const base = { ids: [], json: false, all: false, force: false, seconds: 15 };

describe("the command line", () => {
  test("knows its commands and their options", () => {
    expect(parseArguments(["features", "--json"])).toEqual({ ...base, command: "features", json: true });
    expect(parseArguments(["list"])).toEqual({ ...base, command: "list" });
    expect(parseArguments(["del", "--all", "--force"])).toEqual({
      ...base,
      command: "del",
      all: true,
      force: true,
    });
  });

  test("takes a device as a number or as either path, and each once", () => {
    expect(parseArguments(["del", "3", "/dev/ublkb3", "/dev/ublkc12"]).ids).toEqual([3, 12]);
  });

  test("takes a time limit", () => {
    expect(parseArguments(["del", "--timeout", "3", "0"])).toEqual({
      ...base,
      command: "del",
      ids: [0],
      seconds: 3,
    });
  });

  test("gives help and version wherever they are asked for", () => {
    expect(parseArguments(["--help"]).command).toBe("help");
    expect(parseArguments(["del", "-h"]).command).toBe("help");
    expect(parseArguments(["--version"]).command).toBe("version");
  });

  test.each([
    [[], "a command is missing; there are features, list, del, recover"],
    [["lst"], "unknown command 'lst'; did you mean 'list'?"],
    [["frobnicate"], "unknown command 'frobnicate'; there are features, list, del, recover"],
    [["--versoin"], "unknown option '--versoin'; did you mean '--version'?"],
    [["list", "--jsno"], "unknown option of list '--jsno'; did you mean '--json'?"],
    [["list", "--force"], "unknown option of list '--force'; there are --json, --help"],
    [["list", "3"], "list takes no argument, but got '3'"],
    [["del"], "del needs a device's number, or --all"],
    [["recover"], "recover needs the number of one device"],
    [["recover", "0", "1"], "recover needs the number of one device"],
    [["recover", "0", "--force"], "unknown option of recover '--force'; there are --help"],
    [["del", "--al"], "unknown option of del '--al'; did you mean '--all'?"],
    [["del", "3", "--all"], "del takes either devices or --all, not both"],
    [["del", "3", "--timeout"], "--timeout takes seconds from 1 to 86400, such as --timeout 15"],
    [["del", "3", "--timeout", "0.5"], "--timeout takes seconds from 1 to 86400, such as --timeout 15"],
    [["del", "b3"], "'b3' is not a device; give its number, such as 0, or its path, such as /dev/ublkb0"],
    [["del", "1048576"], "'1048576' is not a device; give its number, such as 0, or its path, such as /dev/ublkb0"],
  ])("refuses %p", (words, message) => {
    expect(() => parseArguments(words)).toThrow(new UsageError(message));
  });
});
