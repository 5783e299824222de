/** The least that a NOP can cost from JavaScript: SQEs written as numbers and CQEs counted, with no slot, handler, generation or check. */
import { Arena, addressOf, ringSyscalls } from "uring-ublk/ffi";
import { abi } from "uring-ublk/uring";
import type { Round } from "./raw-loops.ts";

const PARAMS_BYTES = 120;
// Byte offsets in struct io_uring_params.
const FLAGS = 8;
const SQ_TAIL = 44;
const CQ_HEAD = 80;
const CQ_TAIL = 84;
const CQES = 100;
const WORDS_SHIFT = 4; // in an SQE
const WORDS_PER_CQE = 4;

/** All words of an SQE, as constants; one bounds check is enough for them. IORING_OP_NOP is 0. */
function writeNop(sqes: Int32Array, at: number, userData: number): void {
  sqes[at] = 0;
  sqes[at + 1] = 0;
  sqes[at + 2] = 0;
  sqes[at + 3] = 0;
  sqes[at + 4] = 0;
  sqes[at + 5] = 0;
  sqes[at + 6] = 0;
  sqes[at + 7] = 0;
  sqes[at + 8] = userData;
  sqes[at + 9] = 0;
  sqes[at + 10] = 0;
  sqes[at + 11] = 0;
  sqes[at + 12] = 0;
  sqes[at + 13] = 0;
  sqes[at + 14] = 0;
  sqes[at + 15] = 0;
}

/** Queues a batch of NOPs, submits and waits with one enter, and looks at the results. The ring lives as long as the process. */
export function bareNops(batch: number, rounds: number): Round {
  const { setup, enter, register } = ringSyscalls();
  const params = new DataView(new ArrayBuffer(PARAMS_BYTES));
  const flags = abi.IORING_SETUP_SINGLE_ISSUER | abi.IORING_SETUP_DEFER_TASKRUN | abi.IORING_SETUP_NO_SQARRAY;
  params.setUint32(FLAGS, flags, true);
  const fd = setup(batch, addressOf(params));
  if (fd < 0) throw new Error(`io_uring_setup: ${fd}`);
  const update = new DataView(new ArrayBuffer(16)); // struct io_uring_rsrc_update: any index, this descriptor
  update.setInt32(0, -1, true);
  update.setInt32(8, fd, true);
  const registered = register(fd, abi.IORING_REGISTER_RING_FDS, addressOf(update), 1);
  if (registered !== 1) throw new Error(`IORING_REGISTER_RING_FDS: ${registered}`);
  const index = update.getUint32(0, true);
  const cqes = params.getUint32(CQES, true) >> 2;
  const shared = Arena.map(fd, abi.IORING_OFF_SQ_RING, cqes * 4 + 2 * batch * WORDS_PER_CQE * 4).words();
  const sqes = Arena.map(fd, abi.IORING_OFF_SQES, (batch << WORDS_SHIFT) * 4).words();
  const [sqTail, cqHead, cqTail] = [SQ_TAIL, CQ_HEAD, CQ_TAIL].map((at) => params.getUint32(at, true) >> 2) as [number, number, number];
  const mask = 2 * batch - 1;
  let queued = 0;
  const round = (): number => {
    for (let i = 0; i < batch; i++) writeNop(sqes, ((queued + i) & (batch - 1)) << WORDS_SHIFT, i);
    queued = (queued + batch) | 0;
    shared[sqTail] = queued;
    enter(index, batch, batch, abi.IORING_ENTER_GETEVENTS | abi.IORING_ENTER_REGISTERED_RING, 0, 0);
    let head = shared[cqHead]!;
    const first = head;
    for (const tail = shared[cqTail]!; head !== tail; head = (head + 1) | 0) {
      if (shared[cqes + (head & mask) * WORDS_PER_CQE + 2] !== 0) throw new Error("a NOP failed");
    }
    shared[cqHead] = head;
    return (head - first) | 0;
  };
  return () => {
    let ops = 0;
    for (let i = 0; i < rounds; i++) ops += round();
    return ops;
  };
}
