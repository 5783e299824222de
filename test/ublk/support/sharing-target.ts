/** A disk in memory that counts what comes to each of its queues: requests in shared memory, and others. */
import { defineTarget, Op } from "uring-ublk";

/** Words for each queue: how many of either kind. */
export const SHARED = 0;
export const OTHER = 1;

export default defineTarget({
  open: ({ data, counters }: { data: SharedArrayBuffer; counters: SharedArrayBuffer }) => ({
    size: data.byteLength,
    shared: { data, counters },
  }),
  attach(queue, { data, counters }) {
    const bytes = new Uint8Array(data);
    const words = new Int32Array(counters);
    const base = queue.spec.queue * 2;
    return {
      handle(request) {
        const { op, offset, length } = request;
        Atomics.add(words, base + (request.shared ? SHARED : OTHER), 1);
        if (op === Op.WRITE) bytes.set(request.bytes, offset);
        else if (op === Op.READ) request.bytes.set(bytes.subarray(offset, offset + length));
        request.complete();
      },
    };
  },
});
