import { describe, expect } from "bun:test";
import { runProgram } from "../support/child.ts";
import { inVm, requires } from "../support/requires.ts";

const GC = /\[GC<[^>]*>: START/g;

const test = requires(!inVm(), "a million operations take minutes on an emulated machine, and the kernel has no part in it");

describe("the raw layer", () => {
  for (const batch of [1, 32]) {
    test(`allocates nothing: a million NOPs in batches of ${batch} cause no garbage collection`, async () => {
      const { status, stderr, stdout } = await runProgram("uring/programs/raw-nops.ts", [`${batch}`], {
        BUN_JSC_logGC: "1",
      });
      expect(status).toBe(0);
      const [before, during] = stderr.split("measuring\n") as [string, string];
      expect(before.match(GC)?.length).toBeGreaterThan(0); // the log is there at all
      expect(during.split("measured\n")[0]!.match(GC)).toBeNull();
      console.log(`raw NOPs, batch ${batch}: ${JSON.parse(stdout).nanosecondsPerOperation.toFixed(0)} ns each`);
    });
  }
});
