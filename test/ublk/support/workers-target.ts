/** A disk that answers with what a server on the loopback, a timer and a module loaded late have to say; and tells what happens to it. */
import { defineTarget } from "uring-ublk";
import { sys } from "uring-ublk/ffi";

/** Words of the shared counters; the last three have a word per queue. */
export const Count = { CLOSED: 0, DETACHED: 1, TICKS: 2, FETCHES: 3, MESSAGES: 4, AFFINITY: 8, REQUESTS: 16, FLUSHER: 24 } as const;
export const PR_GET_IO_FLUSHER = 58;
/** Reads below are answered with the server's help, and writes at it fail. */
export const LOCAL = 2 ** 20;
export const BAD = 2 * 2 ** 20;
export const CHANNEL = "uring-ublk workers.test";

export interface WorkersOptions {
  readonly counters: SharedArrayBuffer;
  readonly url: string;
  /** Timers, fetches and messages beside the requests, which are answered at once. */
  readonly background?: boolean;
}

export default defineTarget({
  open: (options: WorkersOptions) => ({ size: 4 * 2 ** 20, shared: options }),
  attach(queue, { counters, url, background }) {
    const words = new Int32Array(counters);
    const { queue: number } = queue.spec;
    words[Count.AFFINITY + number] = sys.schedGetAffinity(0).reduce((mask, cpu) => mask | (1 << cpu), 0);
    try {
      words[Count.FLUSHER + number] = sys.prctl(PR_GET_IO_FLUSHER);
    } catch {
      words[Count.FLUSHER + number] = -1; // even that may be asked only by who may set it
    }
    const stop = background === true ? inTheBackground(words, url) : undefined;
    return {
      read(buffer, offset) {
        Atomics.add(words, Count.REQUESTS + number, 1);
        if (offset >= LOCAL || background === true) return void buffer.fill(7);
        return answer(buffer, offset, url);
      },
      write(_buffer, offset) {
        if (offset === BAD) throw Object.assign(new Error("the Worker refuses"), { code: "ENOSPC" });
      },
      detach() {
        stop?.();
        Atomics.add(words, Count.DETACHED, 1);
      },
    };
  },
  close({ counters }) {
    Atomics.add(new Int32Array(counters), Count.CLOSED, 1);
  },
});

async function answer(buffer: Uint8Array, offset: number, url: string): Promise<void> {
  const response = await fetch(`${url}?offset=${offset}`);
  const base = Number(await response.text());
  await new Promise((resolve) => setTimeout(resolve, 2));
  const { later } = await import("./workers-lazy.ts");
  buffer.fill(later(base));
}

function inTheBackground(words: Int32Array, url: string): () => void {
  let over = false;
  const timer = setInterval(() => Atomics.add(words, Count.TICKS, 1), 10);
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = () => Atomics.add(words, Count.MESSAGES, 1);
  void (async () => {
    while (!over) {
      await (await fetch(url)).text();
      Atomics.add(words, Count.FETCHES, 1);
    }
  })().catch(() => {});
  return () => {
    over = true;
    clearInterval(timer);
    channel.close();
  };
}
