/** A disk on a file, by operations of the queue's ring, whose first serving thread comes to grief once it is under load. */
import { defineTarget, Op } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import type { Grief } from "./death-target.ts";

const AFTER = 400;

export default defineTarget({
  open: ({ path, grief, reached }: { path: string; grief: Grief; reached: SharedArrayBuffer }) => {
    const fd = sys.open(path, 2);
    return { size: 16 * 2 ** 20, zeroCopy: true, shared: { fd, grief, reached: new Int32Array(reached) } };
  },
  attach(_queue, { fd, grief, reached }) {
    let left = AFTER;
    return {
      ops: { flush: true },
      handle(request) {
        if (--left === 0) {
          Atomics.store(reached, 0, 1);
          if (grief === "throw") setTimeout(() => thrown(), 5);
          else if (grief === "exit-in-handler") process.exit(3);
          else if (grief === "spin") for (;;) left++;
        }
        if (request.op === Op.READ) request.readFrom(fd, request.offset);
        else if (request.op === Op.WRITE) request.writeTo(fd, request.offset);
        else request.complete();
      },
      completed(request, result) {
        if (result < 0) request.fail(result);
        else request.complete(result);
      },
    };
  },
  close: ({ fd }) => sys.close(fd),
});

function thrown(): never {
  throw new Error("grief: a timer threw");
}
