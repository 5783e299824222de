/** A disk on a file in memory, whose threads count what they serve, and whether its tags are theirs. */
import { defineTarget, Op, type UblkRequest } from "uring-ublk";
import { sys } from "uring-ublk/ffi";

export const SIZE = 8 * 2 ** 20;
/** Of each thread: requests, completions of its operations, requests on tags of others, its kernel thread, times it let go, requests that it holds. */
export const Word = { REQUESTS: 0, COMPLETED: 1, STRANGE: 2, TID: 3, DETACHED: 4, HELD: 5 } as const;
export const WORDS = 8;
/** Blocks that come to grief, below them all is well. */
export const THROWS = SIZE;
export const EXITS = SIZE + 4096;
export const HOLDS = SIZE + 8192;

export interface ThreadsOptions {
  readonly counters: SharedArrayBuffer;
  /** Nobody looks at the data: the kernel may lend it. */
  readonly zeroCopy: boolean;
}

export default defineTarget({
  open: ({ counters, zeroCopy }: ThreadsOptions) => {
    const fd = sys.memfdCreate("threads");
    sys.fallocate(fd, 0, 0, SIZE);
    return { size: SIZE + 12288, zeroCopy, shared: { counters, fd } };
  },
  attach(queue, { counters, fd }) {
    const { depth, threads, thread } = queue.spec;
    const mine = new Int32Array(counters, (queue.spec.queue * threads + thread) * WORDS * 4, WORDS);
    mine[Word.TID] = sys.gettid();
    const isTheirs = (tag: number): boolean => !(tag >= 0 && tag < depth) || tag % threads !== thread;
    const count = (request: UblkRequest, word: number): void => {
      Atomics.add(mine, word, 1);
      if (isTheirs(request.tag) || sys.gettid() !== mine[Word.TID]) Atomics.add(mine, Word.STRANGE, 1);
    };
    return {
      handle(request: UblkRequest) {
        const { op, offset } = request;
        count(request, Word.REQUESTS);
        if (op === Op.WRITE && offset === THROWS) throw Object.assign(new Error("the thread refuses"), { code: "ENOSPC" });
        if (op === Op.WRITE && offset === EXITS) process.exit(3);
        if (op === Op.WRITE && offset === HOLDS) {
          request.defer();
          Atomics.add(mine, Word.HELD, 1);
        } else if (op > Op.WRITE) request.complete();
        else if (offset >= SIZE) request.fail(-5);
        else if (op === Op.READ) request.readFrom(fd, offset);
        else request.writeTo(fd, offset);
      },
      completed(request: UblkRequest, result: number) {
        count(request, Word.COMPLETED);
        if (result < 0) request.fail(result);
        else request.complete(result);
      },
      ops: { flush: true },
      detach: () => void Atomics.add(mine, Word.DETACHED, 1),
    };
  },
  close: ({ fd }) => sys.close(fd),
});
