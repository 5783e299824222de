import { describe, expect, test } from "bun:test";
import { Operation, Ring, type RingShape } from "uring-ublk";
import { memoryFile, pattern } from "./support/descriptors.ts";
import { brief } from "./support/outcome.ts";
import { matches, NEVER } from "./support/plan-model.ts";
import { planOf, type Trial, trialOf } from "./support/plan-specs.ts";
import { Random, SEED } from "./support/random.ts";

const FULL = process.env.URING_UBLK_FULL === "1";
/** So many, or what a slow machine runs in the time. */
const PLANS = FULL ? 3000 : 600;
const SECONDS = FULL ? 30 : 15;
const AT_ONCE = 50;
/** How long a step of time is; it grows where the machine is too busy for the order of events to be what it should. */
let stepMs = 20;
const LONGEST_STEP_MS = 500;

/** Notes the longest time that this thread did not get to run. */
class Pulse implements Disposable {
  longest = 0;
  #last = performance.now();
  readonly #timer = setInterval(() => {
    const now = performance.now();
    this.longest = Math.max(this.longest, now - this.#last);
    this.#last = now;
  }, 1);

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

async function run(ring: Ring, { spec, abort }: Trial, file: number, ms: number, links: boolean): Promise<unknown> {
  const controller = new AbortController();
  const timer = abort === NEVER ? undefined : setTimeout(() => controller.abort(new Error("aborted")), abort * ms);
  const plan = planOf(spec, file, ms);
  const outcome = await ring.settle(plan, {
    ...(plan instanceof Operation ? {} : { links }),
    ...(abort === NEVER ? {} : { signal: controller.signal }),
  });
  clearTimeout(timer);
  return outcome;
}

/** The outcomes of trials that run side by side, once the machine gave them the time they need. */
async function outcomesOf(ring: Ring, trials: readonly Trial[], file: number, links: boolean): Promise<unknown[]> {
  for (;;) {
    const ms = stepMs;
    using pulse = new Pulse();
    const outcomes = await Promise.all(trials.map((trial) => run(ring, trial, file, ms, links)));
    if (pulse.longest < ms / 6 || ms > LONGEST_STEP_MS) return outcomes;
    stepMs *= 2;
  }
}

describe(`random plans (seed ${SEED})`, () => {
  for (const [name, links, shape] of [
    ["in user space", false, { taskrun: "defer" }],
    ["through links of the kernel where they mean the same", true, { taskrun: "defer" }],
    ["through links, on a ring with cooperative task work", true, { taskrun: "coop" }],
  ] as [string, boolean, RingShape][]) {
    test(`end as the rules say: ${name}`, async () => {
      await using ring = await Ring.open({ entries: 256, cqEntries: 4096, ...shape });
      using file = memoryFile(pattern(4));
      const random = new Random(SEED);
      const seen = new Set<string>();
      const until = performance.now() + SECONDS * 1000;
      for (let done = 0; done < PLANS && (done === 0 || performance.now() < until); done += AT_ONCE) {
        const trials = Array.from({ length: AT_ONCE }, () => trialOf(random));
        const outcomes = await outcomesOf(ring, trials, file.first, links);
        for (const [i, { spec, abort, fate }] of trials.entries()) {
          const line = brief(outcomes[i]);
          seen.add(line);
          if (!matches(line, fate)) throw new Error(`${JSON.stringify({ spec, abort, seed: SEED })}\nended  ${line}\nshould ${fate.line}`);
        }
        expect(ring.inFlight).toBe(0);
      }
      expect(seen.size).toBeGreaterThan(AT_ONCE / 2);
    }, 600_000);
  }
});
