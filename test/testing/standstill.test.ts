import { expect, test } from "bun:test";
import { StandstillWatch } from "../../scripts/testing/standstill.ts";

test("a machine that stood still is told, for how long", () => {
  using watch = new StandstillWatch();
  expect(watch.pauses).toEqual([]);
  Bun.sleepSync(4_000);
  expect(watch.pauses).toEqual([expect.any(Number)]);
  expect(watch.pauses[0]).toBeGreaterThanOrEqual(3.5);
});

test("a busy second is none", () => {
  using watch = new StandstillWatch();
  Bun.sleepSync(1_000);
  expect(watch.pauses).toEqual([]);
});
