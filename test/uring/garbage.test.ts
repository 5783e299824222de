/**
 * The raw layer makes no garbage. `BUN_JSC_logGC=1` writes to stderr, for each collection, `[GC<0xADDRESS>: START ...`.
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

describe("no collection", () => {
  test.each(LOOPS)(
    "in a million raw operations after a warm-up: %s in batches of %d",
    async (kind, batch) => {
      const { status, stderr, stdout } = await runProgram("uring/programs/raw-loop.ts", [kind, `${batch}`], { BUN_JSC_logGC: "1" });
      expect(status).toBe(0);
      const [before, after] = stderr.split("measuring\n") as [string, string];
      expect(before.match(GC)?.length).toBeGreaterThan(0); // the log is there at all
      expect(after.split("measured\n")[0]!.match(GC)).toBeNull();
      const { operations, wrong } = JSON.parse(stdout) as { operations: number; wrong: number };
      expect(operations).toBeGreaterThanOrEqual(1_000_000);
      expect(wrong).toBe(0);
    },
    60_000,
  );
});
