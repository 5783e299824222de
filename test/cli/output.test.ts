import { describe, expect, test } from "bun:test";
import { sizeText, table } from "../../src/cli/output.ts";

describe("the command's output", () => {
  test("shows sizes in the largest unit that fits", () => {
    expect([512, 1536, 64 * 2 ** 20, 250 * 2 ** 30].map(sizeText)).toEqual(["512 B", "1.5 KiB", "64 MiB", "250 GiB"]);
  });

  test("aligns columns and leaves no blanks at the ends of lines", () => {
    expect(
      table([
        ["ID", "PATH"],
        ["0", "/dev/ublkb0"],
        ["100", ""],
      ]),
    ).toBe("ID   PATH\n0    /dev/ublkb0\n100\n");
  });
});
