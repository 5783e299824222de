/**
 * The raw layer and prepared plans make no garbage. `BUN_JSC_logGC=1` writes to stderr, for each collection, `[GC<0xADDRESS>: START ...`.
 */
import { describe, expect } from "bun:test";
import { runProgram } from "../support/child.ts";
import { inVm, requires } from "../support/requires.ts";

const GC = /\[GC<[^>]*>: START/g;
const LOOPS = [
  ["nop", 1],
  ["nop", 32],
  ["read", 32],
  ["readFixed", 32],
] as const;

const test = requires(!inVm(), "a million operations take minutes on an emulated machine, and the kernel has no part in it");

/** The log of the collector between the program's two marks, or an error. */
async function measured(program: string, args: string[]): Promise<{ log: string; told: { wrong: number } & Record<string, number> }> {
  // Bun's own timer collects every second or so, whether there is garbage or not.
  const { status, stderr, stdout } = await runProgram(program, args, { BUN_JSC_logGC: "1", BUN_GC_TIMER_DISABLE: "1" });
  expect(status).toBe(0);
  const [before, after] = stderr.split("measuring\n") as [string, string];
  expect(before.match(GC)?.length).toBeGreaterThan(0); // the log is there at all
  return { log: after.split("measured\n")[0]!, told: JSON.parse(stdout) };
}

describe("no collection", () => {
  test.each(LOOPS)(
    "in a million raw operations after a warm-up: %s in batches of %d",
    async (kind, batch) => {
      const { log, told } = await measured("uring/programs/raw-loop.ts", [kind, `${batch}`]);
      expect(log.match(GC)).toBeNull();
      expect(told.operations).toBeGreaterThanOrEqual(1_000_000);
      expect(told.wrong).toBe(0);
    },
    60_000,
  );

  test.each(["read", "chain", "group"])(
    "in a million runs of a prepared plan after a warm-up: %s",
    async (kind) => {
      const { log, told } = await measured("uring/programs/prepared-loop.ts", [kind]);
      expect(log.match(GC)).toBeNull();
      expect(told).toEqual({ runs: 1_000_000, wrong: 0 });
    },
    120_000,
  );
});
