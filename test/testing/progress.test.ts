import { expect, test } from "bun:test";
import type { FileResult } from "../../scripts/testing/outcome.ts";
import { parseProgress, progressLine, progressReader } from "../../scripts/testing/progress.ts";

const result = (file: string): FileResult => ({
  file,
  seconds: 1,
  outcomes: [{ name: "größer – ✓", status: "passed" }],
});

test("results survive the way through a serial line among other output", () => {
  const sent = progressLine({ event: "start", file: "a" }) + progressLine({ event: "end", result: result("a") });
  expect(sent).toMatch(/^[\n\x20-\x7e]*$/);
  const output = `boot noise${sent.replaceAll("\n", "\r\n")}more noise`;
  expect(parseProgress(output)).toEqual({ results: [result("a")], unfinished: undefined });
});

test("a file that started and never ended is known", () => {
  const output = progressLine({ event: "end", result: result("a") }) + progressLine({ event: "start", file: "b" });
  expect(parseProgress(output)).toEqual({ results: [result("a")], unfinished: "b" });
});

test("a result cut off in the middle counts as unfinished", () => {
  const end = progressLine({ event: "end", result: result("b") });
  const output = progressLine({ event: "start", file: "b" }) + end.slice(0, end.length / 2);
  expect(parseProgress(output)).toEqual({ results: [], unfinished: "b" });
});

test("the reader sees each event once, however the output is cut", () => {
  const text = progressLine({ event: "end", result: result("a") }) + progressLine({ event: "end", result: result("b") });
  const seen: string[] = [];
  const print = progressReader((progress) => seen.push(progress.event === "end" ? progress.result.file : "?"));
  for (const char of text) print(char);
  expect(seen).toEqual(["a", "b"]);
});
