import { describe, expect, test } from "bun:test";
import { parseArguments } from "../../src/cli/arguments.ts";
import type { CommandLine } from "../../src/cli/command-line.ts";
import { COMMAND_NAMES } from "../../src/cli/commands.ts";
import { UsageError } from "../../src/cli/option.ts";

const parsed = (...words: string[]): CommandLine => {
  const asked = parseArguments(words);
  if (asked === "version") throw new Error("the version was asked for");
  return asked;
};

const ALL = COMMAND_NAMES.join(", ");

describe("the command line", () => {
  test("knows its commands and their options", () => {
    expect(parsed("features", "--json").json).toBe(true);
    expect(parsed("list").given).toEqual([]);
    expect(parsed("del", "--all", "--force").given).toEqual(["--all", "--force"]);
  });

  test("takes a device as a number or as either path, and each once", () => {
    expect(parsed("del", "3", "/dev/ublkb3", "/dev/ublkc12").ids).toEqual([3, 12]);
    expect(parsed("stats", "/dev/ublkb7").ids).toEqual([7]);
    expect(parsed("stats").ids).toEqual([]);
  });

  test("takes values behind a blank or an equals sign, and words behind --", () => {
    expect(parsed("del", "--timeout", "3", "0").seconds(15)).toBe(3);
    expect(parsed("del", "--timeout=4", "0").seconds(15)).toBe(4);
    expect(parsed("del", "0").seconds(15)).toBe(15);
    expect(parsed("add", "loop", "--", "--help").words).toEqual(["loop", "--help"]);
    expect(parsed("add", "memory", "--size=1.5GiB", "--max-size", "4294967296").number("--size")).toBe(1.5 * 2 ** 30);
    expect(parsed("add", "./disk.ts", "--set", "a=1", "--set", "b=x=y").list("--set")).toEqual(["a=1", "b=x=y"]);
  });

  test("gives help and version wherever they are asked for, and help of the command that was there", () => {
    expect(parsed("--help").command).toBe("help");
    expect(parsed("del", "-h").words).toEqual(["del"]);
    expect(parsed("add", "--size", "--help").words).toEqual(["add"]);
    expect(parseArguments(["--version"])).toBe("version");
  });

  test.each([
    [[], `a command is missing; there are ${ALL}`],
    [["lst"], "unknown command 'lst'; did you mean 'list'?"],
    [["frobnicate"], `unknown command 'frobnicate'; there are ${ALL}`],
    [["--versoin"], "unknown option '--versoin'; did you mean '--version'?"],
    [["list", "--jsno"], "unknown option of list '--jsno'; did you mean '--json'?"],
    [["list", "--force"], "unknown option of list '--force'; there are --json, --help"],
    [["list", "--json=1"], "--json takes no value"],
    [["list", "--json", "--json"], "--json is there twice"],
    [["list", "3"], "list takes no argument, but got '3'"],
    [["info"], "info needs the number of one device"],
    [["del"], "del needs a device's number, or --all"],
    [["recover"], "recover needs the number of one device"],
    [["recover", "0", "1"], "recover needs the number of one device"],
    [["stop", "0", "--saef"], "unknown option of stop '--saef'; did you mean '--safe'?"],
    [["del", "--al"], "unknown option of del '--al'; did you mean '--all'?"],
    [["del", "3", "--all"], "del takes either devices or --all, not both"],
    [["del", "3", "--timeout"], "--timeout takes SECONDS, which is missing"],
    [["del", "3", "--timeout", "0.5"], "--timeout takes seconds from 1 to 86400, and not '0.5'"],
    [["del", "b3"], "'b3' is not a device; give its number, such as 0, or its path, such as /dev/ublkb0"],
    [["del", "1048576"], "'1048576' is not a device; give its number, such as 0, or its path, such as /dev/ublkb0"],
    [["resize", "0"], "resize needs the number of one device, and a size"],
    [["resize", "0", "large"], "resize takes a size such as 4096, 64k, 512MiB or 1GiB, and not 'large'"],
    [["stats", "0", "1"], "stats takes one device, or none for all"],
    [["help", "add", "del"], "help takes one command or topic"],
  ])("refuses %p", (words, message) => {
    expect(() => parseArguments(words)).toThrow(new UsageError(message));
  });
});

describe("what is to be added", () => {
  test.each([
    [["add"], "add needs a target: null, loop, memory, stripe, mirror, zoned, integrity, nbd, or the path of a module such as ./disk.ts"],
    [["add", "memroy"], "unknown target 'memroy'; did you mean 'memory'?"],
    [["add", "memory"], "add memory needs --size, such as --size 1GiB"],
    [["add", "memory", "disk", "--size", "1m"], "add memory takes no word more, but got 'disk'"],
    [["add", "loop"], "add loop needs PATH"],
    [["add", "loop", "a", "b"], "add loop takes at most 1 words more, but got 'b'"],
    [["add", "zoned", "a", "b", "--size", "1m"], "add zoned takes at most 1 words more, but got 'b'"],
    [["add", "zoned", "a"], "add zoned needs --size, such as --size 1GiB"],
    [["add", "zoned", "--size", "8m", "--zone-siez", "1m"], "unknown option of add '--zone-siez'; did you mean '--zone-size'?"],
    [["add", "memory", "--size", "8m", "--max-open", "1"], "memory takes no --max-open; it is for zoned"],
    [["add", "integrity"], "add integrity needs PATH"],
    [
      ["add", "integrity", "a", "--checksum", "crc16-t10dff"],
      "--checksum takes one of ip, crc16-t10dif, crc64-nvme, and not 'crc16-t10dff'; did you mean 'crc16-t10dif'?",
    ],
    [["add", "mirror", "a"], "add mirror needs PATH PATH..."],
    [["add", "loop", "a", "--chunk", "4k"], "loop takes no --chunk; it is for stripe"],
    [["add", "./disk.ts", "--size", "4k"], "a module takes no --size; it is for null, memory, zoned"],
    [["add", "null", "--set", "a=1"], "null takes no --set; it is for FILE.ts"],
    [["add", "./disk.ts", "--set", "a"], "--set takes NAME=VALUE, such as --set size=1GiB, and not 'a'"],
    [
      ["add", "null", "--mode", "user-copie"],
      "--mode takes one of auto-buf-reg, zero-copy, copy, user-copy, need-get-data, and not 'user-copie'; did you mean 'user-copy'?",
    ],
    [["add", "null", "--queus", "2"], "unknown option of add '--queus'; did you mean '--queues'?"],
    [["add", "null", "--depth", "5000"], "--depth takes a number from 1 to 4096, and not '5000'"],
    [["add", "null", "--log", ""], "--log takes FILE, which is empty here"],
    [
      ["add", "null", "--foreground", "--log", "x"],
      "--log is for a server in the background; with --foreground it writes to standard error",
    ],
  ])("is refused where it is wrong: %p", (words, message) => {
    expect(() => parseArguments(words)).toThrow(new UsageError(message));
  });
});
