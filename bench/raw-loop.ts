/**
 * One raw loop in a process of its own, as the C programs are: one ring, one kind of operation. With several in one process the JIT
 * would compile for all of them.
 *   raw-loop.ts WARM-UP-MS nop BATCH | read PATH DEPTH | readFixed PATH DEPTH
 * Every line on stdin is the milliseconds of a run, which is answered with its cost as JSON.
 */
import { openSync } from "node:fs";
import { measureLoop, warmUp } from "./loop.ts";
import { rawNops, rawReads } from "./raw-loops.ts";

const [warmUpMilliseconds, kind, ...rest] = process.argv.slice(2);
const round =
  kind === "nop" ? rawNops(Number(rest[0])) : rawReads(openSync(rest[0]!, "r"), { fixed: kind === "readFixed", depth: Number(rest[1]) });

warmUp(Number(warmUpMilliseconds), (ms) => measureLoop(ms, round));
console.log("warm");
for await (const line of console) console.log(JSON.stringify(measureLoop(Number(line), round)));
