// A thread that serves a ring and has a doorbell. What happens is counted in shared memory: such a thread takes and sends no messages
// while it blocks.

import { sys } from "uring-ublk/ffi";
import { Driver, POLLIN, RawRing } from "uring-ublk/uring";
import { answerDoorbell } from "../../../src/uring/doorbell.ts";

export interface DoorbellOptions {
  readonly synchronous: boolean;
  /** The inside of the doorbell. */
  readonly bell: number;
  /** Another one, polled by hand and without a yield. */
  readonly plain: number;
  readonly words: SharedArrayBuffer;
}

/** Words: how often the bell rang, how many turns of the event loop followed, the same for the plain one, and "end". */
export const RUNG = 0;
export const RUNG_TURNS = 1;
export const PLAIN = 2;
export const PLAIN_TURNS = 3;
export const END = 4;

function serve({ synchronous, bell, plain, words: shared }: DoorbellOptions): void {
  const words = new Int32Array(shared);
  const raw = new RawRing({ entries: 8 });
  const driver = new Driver(raw, { serving: true, synchronous });
  const counter = new Uint8Array(64);
  const slot = raw.allocate(() => {
    sys.read(plain, counter);
    raw.poll(slot, plain, POLLIN);
    Atomics.add(words, PLAIN, 1);
    setImmediate(() => Atomics.add(words, PLAIN_TURNS, 1));
  });
  raw.poll(slot, plain, POLLIN);
  answerDoorbell(raw, driver, bell, () => {
    Atomics.add(words, RUNG, 1);
    setImmediate(() => Atomics.add(words, RUNG_TURNS, 1));
    if (Atomics.load(words, END) === 0) return;
    setImmediate(() => {
      driver.close();
      raw.close();
      postMessage("closed");
    });
  });
}

declare const self: Worker;

if (!Bun.isMainThread) {
  self.onmessage = ({ data }: MessageEvent<DoorbellOptions>) => {
    serve(data);
    postMessage(sys.gettid());
  };
}
