// A million raw NOPs after a warm-up; with BUN_JSC_logGC=1 the collector's own log shows what they allocated.
import { RawRing } from "uring-ublk/uring";

const [batch = 32, million = 1_000_000] = process.argv.slice(2).map(Number);
const raw = new RawRing({ entries: 128 });
let done = 0;
const count = (): void => {
  done++;
};
const slots = Array.from({ length: batch }, () => raw.allocate(count));

function run(operations: number): void {
  const until = done + operations;
  while (done < until) {
    for (let i = 0; i < slots.length; i++) raw.nop(slots[i]!, 0, 0);
    raw.enter(slots.length);
    raw.reap();
  }
}

run(300_000);
Bun.gc(true);
process.stderr.write("measuring\n");
const started = Bun.nanoseconds();
run(million);
const elapsed = Bun.nanoseconds() - started;
process.stderr.write("measured\n");
console.log(JSON.stringify({ batch, nanosecondsPerOperation: elapsed / million }));
raw.close();
