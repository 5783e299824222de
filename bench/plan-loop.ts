/**
 * One plan, prepared or written by hand, in a process of its own.
 *   plan-loop.ts WARM-UP-MS chain|nops|reads plan|hand
 *   plan-loop.ts WARM-UP-MS copies group|submits|links BYTES
 * Every line on stdin is the milliseconds of a run, which is answered with the cost of one run of the plan as JSON.
 */
import { Ring } from "uring-ublk";
import { type LoopCost, measureAsyncLoop, warmUpAsync } from "./loop.ts";
import { chainOfReads, copies, groupOf, type Runs } from "./plan-loops.ts";

const [warmUpMilliseconds = "0", kind, side, bytes = "0"] = process.argv.slice(2);
await using ring = await Ring.open({ entries: 64 });

function loop(): Runs {
  if (kind === "copies") return copies(ring, side as "group", Number(bytes));
  const byHand = side === "hand";
  return kind === "chain" ? chainOfReads(ring, byHand) : groupOf(kind === "nops" ? "nop" : "read", ring, byHand);
}

const runs = loop();
/** So many runs between two looks at the clock. */
const AT_ONCE = Number(bytes) > 65536 ? 4 : 100;
const measure = (ms: number): Promise<LoopCost> =>
  measureAsyncLoop(ms, async () => {
    await runs(AT_ONCE);
    return AT_ONCE;
  });

// A plan passes through many small functions, which reach the last tier of the JIT late.
await warmUpAsync({ warmUpMilliseconds: 3 * Number(warmUpMilliseconds) }, async (ms) => (await measure(ms)).threadCpu);
console.log("warm");
for await (const line of console) console.log(JSON.stringify(await measure(Number(line))));
