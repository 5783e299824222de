import { expect, test } from "bun:test";
import { GuestPort } from "./guest-port.ts";

function feed(...chunks: string[]) {
  const seen: string[] = [];
  const port = new GuestPort("n0nce", {
    output: (text) => seen.push(`output ${text}`),
    report: (word, rest) => seen.push(`report ${word}|${rest}`),
  });
  for (const chunk of chunks) port.receive(Buffer.from(chunk));
  return seen;
}

test("output passes at once, reports are taken out of it", () => {
  expect(feed("\x1en0nce ready\nhello", " world\x1en0nce status 3\n")).toEqual([
    "report ready|",
    "output hello",
    "output  world",
    "report status|3",
  ]);
});

test("a report may arrive in any pieces", () => {
  expect(feed("a\x1e", "n0n", "ce note one two", "\nb")).toEqual(["output a", "report note|one two", "output b"]);
});

test("a record separator of the command's own is output", () => {
  expect(feed("a\x1eb", "\x1e", "c")).toEqual(["output a\x1eb", "output \x1ec"]);
});

test("a character may arrive in pieces", () => {
  const seen: string[] = [];
  const port = new GuestPort("n", { output: (text) => seen.push(text), report() {} });
  const bytes = Buffer.from("é");
  port.receive(bytes.subarray(0, 1));
  port.receive(bytes.subarray(1));
  expect(seen).toEqual(["é"]);
});
