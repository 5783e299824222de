/** Reads blocks of a disk, one submit each, and prints the order in which they completed, with the first byte of each. */
import { Arena, O_DIRECT, O_RDONLY, sys } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";

const [path = "", json = "[]"] = process.argv.slice(2);
const blocks = JSON.parse(json) as number[];
const fd = sys.open(path, O_RDONLY | O_DIRECT);
using arena = Arena.allocate(blocks.length * 4096);
using ring = new RawRing({ entries: 64 });
const completed: [block: number, first: number][] = [];
for (const [i, block] of blocks.entries()) {
  const slot = ring.allocate((result) => {
    completed.push([block, result === 4096 ? arena.bytes(i * 4096, 1)[0]! : result]);
    ring.release(slot);
  });
  ring.read(slot, fd, arena.address + i * 4096, 4096, block * 4096, 0);
  ring.enter(0);
}
while (ring.inFlight > 0) {
  ring.enter(1);
  ring.reap();
}
console.log(JSON.stringify(completed));
