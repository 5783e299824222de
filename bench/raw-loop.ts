/**
 * One raw loop in a process of its own, as the C programs are: one ring, one kind of operation. With several in one process the JIT
 * would compile for all of them.
 *   raw-loop.ts WARM-UP-MS nop BATCH | permanentNop BATCH | bareNop BATCH | read PATH DEPTH | readFixed PATH DEPTH
 * Every line on stdin is the milliseconds of a run, which is answered with its cost as JSON.
 */
import { openSync } from "node:fs";
import { bareNops } from "./bare-nops.ts";
import { measureLoop, warmUp } from "./loop.ts";
import { permanentNops, type Round, rawNops, rawReads, roundsOf } from "./raw-loops.ts";

const [warmUpMilliseconds, kind, ...rest] = process.argv.slice(2);
const round = roundOf(kind!);

warmUp(Number(warmUpMilliseconds), (ms) => measureLoop(ms, round));
console.log("warm");
for await (const line of console) console.log(JSON.stringify(measureLoop(Number(line), round)));

function roundOf(kind: string): Round {
  const [first, depth] = rest;
  if (kind === "nop") return rawNops(Number(first));
  if (kind === "permanentNop") return permanentNops(Number(first));
  if (kind === "bareNop") return bareNops(Number(first), roundsOf(Number(first)));
  return rawReads(openSync(first!, "r"), { fixed: kind === "readFixed", depth: Number(depth) });
}
