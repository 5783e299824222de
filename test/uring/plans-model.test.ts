// file timeout: 900 s
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
const SECONDS = FULL ? 30 : 4;
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

/** How a trial is run; `ms` is a step of time. */
type Way = (ring: Ring, trial: Trial, file: number, ms: number) => Promise<unknown>;

async function withSignal(abort: number, ms: number, settle: (options: { signal?: AbortSignal }) => Promise<unknown>): Promise<unknown> {
  const controller = new AbortController();
  const timer = abort === NEVER ? undefined : setTimeout(() => controller.abort(new Error("aborted")), abort * ms);
  const outcome = await settle(abort === NEVER ? {} : { signal: controller.signal });
  clearTimeout(timer);
  return outcome;
}

const once =
  (links: boolean): Way =>
  (ring, { spec, abort }, file, ms) => {
    const plan = planOf(spec, file, ms);
    return withSignal(abort, ms, (options) => ring.settle(plan, { ...(plan instanceof Operation ? {} : { links }), ...options }));
  };

let turn = 0;
/** The second run of a prepared plan, whose first one was aborted somewhere on its way, or at its end. */
const again =
  (links: boolean): Way =>
  async (ring, { spec, abort }, file, ms) => {
    const prepared = ring.prepare(planOf(spec, file, ms), { links });
    await withSignal(new Random(SEED + turn++).below(4) + 0.5, ms, (options) => prepared.settle([], options));
    return await withSignal(abort, ms, (options) => prepared.settle([], options));
  };

/** The last of three runs of a prepared plan, which its own callback begins: what goes well is only counted. */
const restarted =
  (links: boolean): Way =>
  async (ring, { spec, abort }, file, ms) => {
    const prepared = ring.prepare(planOf(spec, file, ms), { links });
    const { promise, resolve } = Promise.withResolvers<void>();
    let timer: Timer | undefined;
    let runs = 0;
    const begin = (): void => {
      prepared.start(() => {
        clearTimeout(timer);
        if (++runs < 3) begin();
        else resolve();
      });
      timer =
        abort === NEVER || prepared.status !== "running" ? undefined : setTimeout(() => prepared.abort(new Error("aborted")), abort * ms);
    };
    begin();
    await promise;
    return prepared.outcome();
  };

/** The outcomes of trials that run side by side, once the machine gave them the time they need. */
async function outcomesOf(ring: Ring, trials: readonly Trial[], file: number, way: Way): Promise<unknown[]> {
  for (;;) {
    const ms = stepMs;
    using pulse = new Pulse();
    const outcomes = await Promise.all(trials.map((trial) => way(ring, trial, file, ms)));
    if (pulse.longest < ms / 6 || ms > LONGEST_STEP_MS) return outcomes;
    stepMs *= 2;
  }
}

describe(`random plans (seed ${SEED})`, () => {
  for (const [name, way, shape] of [
    ["in user space", once(false), { taskrun: "defer" }],
    ["through links of the kernel where they mean the same", once(true), { taskrun: "defer" }],
    ["through links, on a ring with cooperative task work", once(true), { taskrun: "coop" }],
    ["prepared, in user space", again(false), { taskrun: "defer" }],
    ["prepared, through links", again(true), { taskrun: "defer" }],
    ["started again, in user space", restarted(false), { taskrun: "defer" }],
    ["started again, through links", restarted(true), { taskrun: "defer" }],
  ] as [string, Way, RingShape][]) {
    test(`end as the rules say: ${name}`, async () => {
      await using ring = await Ring.open({ entries: 256, cqEntries: 4096, ...shape });
      using file = memoryFile(pattern(4));
      const random = new Random(SEED);
      const seen = new Set<string>();
      const until = performance.now() + SECONDS * 1000;
      for (let done = 0; done < PLANS && (done === 0 || performance.now() < until); done += AT_ONCE) {
        const trials = Array.from({ length: AT_ONCE }, () => trialOf(random));
        const outcomes = await outcomesOf(ring, trials, file.first, way);
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
