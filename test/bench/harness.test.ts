import { expect, test } from "bun:test";
import { floorProgram } from "../../bench/floor/build.ts";
import { floorNumbers, interleave, median, row } from "../../bench/harness.ts";
import { benchmarkTable } from "../../bench/table.ts";
import { requires } from "../support/requires.ts";

test("the median is the middle, or the mean of the two", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
});

test("both sides run in turn, and the first turn of each does not count", async () => {
  const order: string[] = [];
  const side = (name: string) => () => order.push(name);
  const result = await interleave(2, { ours: side("o"), floor: side("f") });
  expect(order.join("")).toBe("offoof");
  expect(result).toEqual({ ours: [4, 5], floor: [3, 6] });
});

test("a row holds medians, their ratio and the spread; the table shows them", () => {
  const environment = { kernel: "7.2", cpu: "1 x test", bun: "1.4.5", mode: "host" };
  const result = row({
    name: "a",
    unit: "IOPS",
    floorName: "C",
    ours: [90, 100, 110],
    floor: [200],
    environment,
  });
  expect(result).toMatchObject({
    ours: 100,
    floor: 200,
    ratio: 0.5,
    runs: 3,
    spread: { ours: 0.2, floor: 0 },
  });
  const table = benchmarkTable({ name: "x", question: "why?" }, [result]);
  expect(table).toContain("x: why?");
  expect(table).toMatch(/^a +100\.0 +200\.0 +IOPS +0\.500 +more +0\.500 +20 % \/ 0\.0 %$/m);
});

const withCompiler = requires(Bun.which("gcc") !== null || Bun.which("cc") !== null, "needs a C compiler");

withCompiler(
  "the floor's ring program compiles, runs and reports",
  async () => {
    const program = await floorProgram("ring_nop");
    const { nsPerOp } = await floorNumbers([program, "--batch", "8", "--ms", "5"], "nsPerOp");
    expect(nsPerOp).toBeGreaterThan(0);
  },
  60_000,
);
