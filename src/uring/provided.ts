import type { BufferGroup } from "./buffer-group.ts";

/**
 * A buffer of a {@link BufferGroup} that the kernel chose for one operation: with the data, and the caller's until it is disposed.
 * Disposing gives it back to the group; one that is forgotten is lost to the group.
 */
export class ProvidedBuffer implements Disposable {
  /** The data. Valid until this is disposed: after that the kernel may write other data there. */
  readonly bytes: Uint8Array;
  readonly #group: BufferGroup;
  readonly #flags: number;
  #given = false;

  /** @internal */
  constructor(group: BufferGroup, result: number, flags: number) {
    this.#group = group;
    this.#flags = flags;
    this.bytes = group.take(result, flags).bytes;
  }

  /** A copy that stays. */
  keep(): Uint8Array {
    return this.bytes.slice();
  }

  /** Gives the buffer back to its group. Twice is fine. */
  release(): void {
    this[Symbol.dispose]();
  }

  /** {@link ProvidedBuffer.release}, at the end of a `using`. */
  [Symbol.dispose](): void {
    if (this.#given) return;
    this.#given = true;
    this.#group.recycle(this.#flags);
  }
}
