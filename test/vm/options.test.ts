import { expect, test } from "bun:test";
import { parseCommandLine } from "./options.ts";

test("options end where the command begins", () => {
  const line = parseCommandLine(["--kernel", "6.12", "--env=A=b=c", "--bring", "x", "fio", "--version"]);
  expect(line).toMatchObject({
    kernel: "6.12",
    env: { A: "b=c" },
    bring: ["x"],
    command: ["fio", "--version"],
  });
});

test("a double dash ends the options too", () => {
  expect(parseCommandLine(["--icount", "--", "--odd"])).toMatchObject({ icount: true, command: ["--odd"] });
});

test.each([
  [["--kernal", "7.2", "true"], /Unknown option --kernal.*--kernel/s],
  [["--kernel", "5.4", "true"], /no kernel "5.4".*6\.12.*7\.3/s],
  [["--memory", "lots", "true"], /--memory wants a positive whole number/],
  [["--icount=1", "true"], /--icount takes no value/],
  [["--timeout"], /--timeout needs a value/],
  [[], /no command/],
])("%j is refused with the way out", (words, message) => {
  expect(() => parseCommandLine(words)).toThrow(message);
});
