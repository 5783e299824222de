/** The least that a promise per operation can cost on the raw layer: no check, no queue, no event loop beside it. */
import { drainMicrotasks } from "bun:jsc";
import { RawRing } from "uring-ublk/uring";

/** NOPs for promises, at most as many at a time as were asked for. */
export class BarePromises implements Disposable {
  readonly #ring: RawRing;
  readonly #free: number[] = [];
  readonly #fulfil: ((result: number) => void)[] = []; // by slot
  readonly #executor: (fulfil: (result: number) => void) => void;
  #slot = 0;

  constructor(depth: number) {
    this.#ring = new RawRing({ entries: depth, taskrun: "defer" });
    const done = (result: number, _flags: number, slot: number): void => {
      this.#free.push(slot);
      this.#fulfil[slot]!(result);
    };
    for (let i = 0; i < depth; i++) this.#free.push(this.#ring.allocate(done));
    this.#executor = (fulfil) => {
      this.#fulfil[this.#slot] = fulfil;
    };
  }

  nop(): Promise<number> {
    this.#slot = this.#free.pop()!;
    const promise = new Promise<number>(this.#executor);
    this.#ring.nop(this.#slot, 0, 0);
    return promise;
  }

  /** Submits, waits and settles until nothing more is queued. The thread does nothing else meanwhile. */
  drive(): void {
    while (this.#ring.inFlight > 0) {
      this.#ring.enter(1);
      this.#ring.reap();
      drainMicrotasks();
    }
  }

  [Symbol.dispose](): void {
    this.#ring.close();
  }
}
