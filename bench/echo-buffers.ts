import { Arena, high32 } from "uring-ublk/ffi";
import type { RawRing } from "uring-ublk/uring";

const ENTRY_WORDS = 4; // struct io_uring_buf: address (64 bits), length, number (16 bits) and, in entry 0, the tail
const TAIL_WORD = 3;

/** A ring of equal buffers that the kernel receives into, without allocation: what `ring.bufferGroup` is for the raw layer. */
export class EchoBuffers {
  readonly #data: Arena;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #size: number;
  #tail = 0;

  constructor(ring: RawRing, group: number, buffers: number, size: number) {
    this.#data = Arena.allocate(buffers * size, { populate: true });
    const entries = Arena.allocate(buffers * ENTRY_WORDS * 4, { populate: true });
    this.#words = entries.words();
    this.#mask = buffers - 1;
    this.#size = size;
    ring.register.bufferRing(group, entries, buffers);
    for (let buffer = 0; buffer < buffers; buffer++) this.give(buffer);
  }

  addressOf(buffer: number): number {
    return this.#data.address + buffer * this.#size;
  }

  /** Gives a buffer (back) to the kernel. */
  give(buffer: number): void {
    const words = this.#words;
    const at = (this.#tail & this.#mask) * ENTRY_WORDS;
    const address = this.addressOf(buffer);
    words[at] = address | 0;
    words[at + 1] = high32(address);
    words[at + 2] = this.#size;
    words[at + 3] = (words[at + 3]! & 0xffff0000) | buffer;
    this.#tail = (this.#tail + 1) & 0xffff;
    // The kernel looks at the tail inside this thread's own enter, or after its own barrier on arrival of data: the entry comes first.
    Atomics.store(words, TAIL_WORD, (words[TAIL_WORD]! & 0xffff) | (this.#tail << 16));
  }
}
