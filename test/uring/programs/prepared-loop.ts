// A million runs of a prepared plan after a warm-up; with BUN_JSC_logGC=1 the collector's own log shows what they allocated.
// Argument: read (one), chain (of 4, linked), group (of 1 + 8).
import { closeSync, openSync, unlinkSync, writeFileSync } from "node:fs";
import { chain, group, nop, type Part, RawRing, Ring, read } from "uring-ublk";
import { Driver } from "../../../src/uring/driver.ts";

const WARM_UP = 500_000;
const MEASURED = 1_000_000;
const [kind = "group"] = process.argv.slice(2);

const path = `/var/tmp/uring-ublk-prepared-loop-${process.pid}`;
writeFileSync(path, new Uint8Array(4096));
const fd = openSync(path, "r");
unlinkSync(path);

// A driver that serves: a turn of the event loop, and what that costs, every 50 ms instead of every millisecond.
const raw = new RawRing({ entries: 64 }, { spareSlots: 2 });
const ring = Ring.over(raw, new Driver(raw, { serving: true }));
const reading = () => read({ fd, buffer: new Uint8Array(512), offset: 0 });
const eight = [nop(), nop(), nop(), nop(), nop(), nop(), nop(), nop()] as const;
const plans: Readonly<Record<string, Part<unknown, unknown>>> = {
  read: reading(),
  chain: chain(reading().exact(), nop(), reading().exact(), nop()),
  group: group(reading(), eight),
};
const prepared = ring.prepare(plans[kind]!);
let wrong = 0;

function run(times: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = times;
  const over = (): void => {
    if (prepared.status !== "fulfilled") wrong++;
    if (--left > 0) prepared.start(over);
    else resolve();
  };
  prepared.start(over);
  return promise;
}

await run(WARM_UP);
Bun.gc(true);
process.stderr.write("measuring\n");
await run(MEASURED);
process.stderr.write("measured\n");
console.log(JSON.stringify({ runs: MEASURED, wrong }));
ring.abandon();
closeSync(fd);
