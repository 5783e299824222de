// A million raw operations after a warm-up; with BUN_JSC_logGC=1 the collector's own log shows what they allocated.
// Arguments: nop, read or readFixed; how many in a batch.
import { closeSync, openSync, unlinkSync, writeFileSync } from "node:fs";
import { Arena } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";

const BLOCK = 4096;
const BLOCKS = 256;
const WARM_UP = 300_000;
const MEASURED = 1_000_000;
const [kind = "nop", depth = "32"] = process.argv.slice(2);
const batch = Number(depth);
const raw = new RawRing({ entries: 128 });
const memory = Arena.allocate(batch * BLOCK);
let done = 0;
let wrong = 0;

const path = `/var/tmp/uring-ublk-raw-loop-${process.pid}`; // no tmpfs: there the kernel's worker threads read
writeFileSync(path, new Uint8Array(BLOCK * BLOCKS));
const fd = openSync(path, "r");
unlinkSync(path);

const expected = kind === "nop" ? 0 : BLOCK;
const count = (result: number): void => {
  done++;
  if (result !== expected) wrong = result;
};
const slots = Array.from({ length: batch }, () => raw.allocate(count));
const addresses = Float64Array.from(slots, (_, i) => memory.address + i * BLOCK);

function runBatches(operations: number, queue: (index: number) => void): void {
  const until = done + operations;
  while (done < until) {
    for (let i = 0; i < batch; i++) queue(i);
    raw.enter(batch);
    raw.reap();
  }
}

const offset = (): number => (done % BLOCKS) * BLOCK;
const queues = {
  nop: (i: number): void => raw.nop(slots[i]!, 0, 0),
  read: (i: number): void => raw.read(slots[i]!, fd, addresses[i]!, BLOCK, offset(), 0),
  readFixed: (i: number): void => raw.readFixed(slots[i]!, fd, addresses[i]!, BLOCK, offset(), 0, 0),
};
const queue = queues[kind as keyof typeof queues];
if (kind === "readFixed") {
  raw.register.sparseBuffers(1);
  raw.register.updateBuffers(0, [{ address: memory.address, length: memory.length }]);
}

runBatches(WARM_UP, queue);
Bun.gc(true);
process.stderr.write("measuring\n");
const before = done;
runBatches(MEASURED, queue);
process.stderr.write("measured\n");
console.log(JSON.stringify({ operations: done - before, wrong }));
raw.close();
closeSync(fd);
