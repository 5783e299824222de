/** The loops of bench/floor/ring_nop.c and ring_read.c, on our raw layer. */
import { Arena } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";
import { BLOCK, BLOCKS, nextRandom } from "./cached-file.ts";

/** So many rounds between two looks at the clock. */
export const roundsOf = (depth: number): number => Math.floor(1000 / depth) + 1;

/** Does so many operations as there are between two looks at the clock, and answers how many. */
export type Round = () => number;

function checked(failure: () => number, work: Round): Round {
  return () => {
    const ops = work();
    if (failure() !== 0) throw new Error(`an operation ended with ${failure()}`);
    return ops;
  };
}

/** Queues a batch of NOPs, submits and waits with one enter, reaps. The ring lives as long as the process. */
export function rawNops(batch: number): Round {
  const ring = new RawRing({ entries: batch, taskrun: "defer" });
  let failed = 0;
  const done = (result: number): void => {
    if (result !== 0) failed = result;
  };
  const slots = Array.from({ length: batch }, () => ring.allocate(done));
  const rounds = roundsOf(batch);
  const work = (): number => {
    let ops = 0;
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < batch; i++) ring.nop(slots[i]!, 0, 0);
      ring.enter(batch);
      ops += ring.reap();
    }
    return ops;
  };
  return checked(() => failed, work);
}

/** The same with permanent SQEs, which are written once: what the queues of a disk use. */
export function permanentNops(batch: number): Round {
  const ring = new RawRing({ entries: 2 * batch, taskrun: "defer", sqArray: true }, { templates: batch });
  let failed = 0;
  ring.allocateTemplates({
    completed(result) {
      if (result !== 0) failed = result;
    },
  });
  for (let slot = 0; slot < batch; slot++) ring.writeTemplate(slot, new Int32Array(16)); // IORING_OP_NOP is 0
  const rounds = roundsOf(batch);
  const work = (): number => {
    let ops = 0;
    for (let round = 0; round < rounds; round++) {
      for (let slot = 0; slot < batch; slot++) ring.armTemplate(slot);
      ring.enter(batch);
      ops += ring.reap();
    }
    return ops;
  };
  return checked(() => failed, work);
}

export interface ReadShape {
  /** Into a registered buffer. */
  readonly fixed: boolean;
  readonly depth: number;
}

/** `depth` random reads in flight, one enter per batch. Ring and memory live as long as the process. */
export function rawReads(fd: number, { fixed, depth }: ReadShape): Round {
  const memory = Arena.allocate(depth * BLOCK, { populate: true });
  const ring = new RawRing({ entries: depth, taskrun: "defer" });
  if (fixed) {
    ring.register.sparseBuffers(1);
    ring.register.updateBuffers(0, [{ address: memory.address, length: memory.length }]);
  }
  const failure = startReads(ring, fd, memory.address, { fixed, depth });
  const rounds = roundsOf(depth);
  const work = (): number => {
    let ops = 0;
    for (let round = 0; round < rounds; round++) {
      ring.enter(1);
      ops += ring.reap();
    }
    return ops;
  };
  return checked(failure, work);
}

/** Every read that completes starts the next one, with the same slot and the same part of the memory. */
function startReads(ring: RawRing, fd: number, address: number, { fixed, depth }: ReadShape): () => number {
  let seed = 0x2545f491;
  let failed = 0;
  const addresses = new Float64Array(2 * depth); // by slot
  const plain = (result: number, _flags: number, slot: number): void => {
    if (result !== BLOCK) failed = result;
    seed = nextRandom(seed);
    ring.read(slot, fd, addresses[slot]!, BLOCK, (seed & (BLOCKS - 1)) * BLOCK, 0);
  };
  const registered = (result: number, _flags: number, slot: number): void => {
    if (result !== BLOCK) failed = result;
    seed = nextRandom(seed);
    ring.readFixed(slot, fd, addresses[slot]!, BLOCK, (seed & (BLOCKS - 1)) * BLOCK, 0, 0);
  };
  const handler = fixed ? registered : plain;
  for (let i = 0; i < depth; i++) {
    const slot = ring.allocate(handler);
    addresses[slot] = address + i * BLOCK;
    handler(BLOCK, 0, slot);
  }
  return () => failed;
}
