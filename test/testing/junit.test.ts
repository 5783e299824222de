import { expect, test } from "bun:test";
import { parseJunit } from "../../scripts/testing/junit.ts";

const suite = (cases: string): string => `<?xml version="1.0"?><testsuites><testsuite name="f">${cases}</testsuite></testsuites>`;

test("a passed test is named after its group", () => {
  expect(parseJunit(suite('<testcase name="opens" classname="a ring" time="0" />'))).toEqual([
    { name: "a ring > opens", status: "passed" },
  ]);
});

test("a failure brings its text, decoded", () => {
  const xml = suite('<testcase name="x" classname=""><failure type="E" message="short">a &lt; b&#10;at f.ts:1</failure></testcase>');
  expect(parseJunit(xml)).toEqual([{ name: "x", status: "failed", message: "a < b\nat f.ts:1" }]);
});

test("a failure without text falls back to its message", () => {
  const xml = suite('<testcase name="x" classname=""><failure type="T" message="test timed out" /></testcase>');
  expect(parseJunit(xml)).toEqual([{ name: "x", status: "failed", message: "test timed out" }]);
});

test("a skip yields its reason, and a skip without one is a failure", () => {
  const xml = suite(
    '<testcase name="x [skip: needs 6.16]" classname=""><skipped /></testcase>' +
      '<testcase name="y" classname=""><skipped /></testcase>' +
      '<testcase name="z" classname=""><skipped message="TODO" /></testcase>',
  );
  expect(parseJunit(xml)).toEqual([
    { name: "x", status: "skipped", message: "needs 6.16" },
    { name: "y", status: "failed", message: "skipped without a reason: use requires(...)" },
    { name: "z", status: "skipped", message: "TODO" },
  ]);
});
