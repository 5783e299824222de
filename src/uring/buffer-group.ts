import { Arena } from "../ffi/index.ts";
import { IORING_CQE_BUFFER_SHIFT, IORING_CQE_F_BUFFER } from "./abi.ts";
import { checkInteger, checkKnown } from "./options.ts";
import type { Registrations } from "./register/index.ts";
import { io_uring_buf } from "./structs.ts";

/** A piece of received data in a buffer that the kernel chose. */
export interface Chunk {
  /** Valid until the iteration's next step, which gives the buffer back. */
  readonly bytes: Uint8Array;
  /** A copy that stays. */
  keep(): Uint8Array;
}

/** Options of a {@link BufferGroup}. */
export interface BufferGroupOptions {
  /** How many buffers; a power of two up to 32768. */
  buffers: number;
  /** Bytes in each. */
  size: number;
}

const TAIL_WORD = 3; // struct io_uring_buf_ring.tail is the upper half of word 3 (byte 14)

/**
 * A ring of buffers that the kernel picks from when data arrives (`IORING_REGISTER_PBUF_RING`, 5.19).
 *
 * The memory belongs to the group; dispose it after the operations that use it have ended.
 */
export class BufferGroup implements Disposable {
  /** The group number, `buf_group` in SQEs. */
  readonly id: number;
  /** Bytes in each buffer. */
  readonly size: number;
  readonly #register: Registrations;
  readonly #entries: Arena;
  readonly #data: Arena;
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #onDispose: () => void;
  #tail = 0;
  #held = 0;
  #left = false;
  readonly #awaited: (() => void)[] = [];

  /** @internal */
  constructor(id: number, options: BufferGroupOptions, register: Registrations, onDispose: () => void) {
    checkKnown("bufferGroup", options, ["buffers", "size"]);
    const buffers = checkInteger("bufferGroup", "buffers", options.buffers, 1, 32768);
    if ((buffers & (buffers - 1)) !== 0) throw new RangeError(`bufferGroup: buffers is ${buffers}; it must be a power of two`);
    this.size = checkInteger("bufferGroup", "size", options.size, 1, 0x7fff_ffff);
    this.id = id;
    this.#register = register;
    this.#mask = buffers - 1;
    this.#onDispose = onDispose;
    this.#entries = Arena.allocate(buffers * io_uring_buf.size, { populate: true });
    this.#data = Arena.allocate(buffers * this.size);
    this.#view = this.#entries.view();
    this.#words = this.#entries.words();
    try {
      register.bufferRing(id, this.#entries, buffers);
    } catch (error) {
      this.#entries.dispose();
      this.#data.dispose();
      throw error;
    }
    for (let bid = 0; bid < buffers; bid++) this.#add(bid);
    this.#publish();
  }

  /** Buffers that a consumer holds now. */
  get held(): number {
    return this.#held;
  }

  /** The chunk that a CQE announces. @internal */
  take(result: number, flags: number): Chunk {
    if ((flags & IORING_CQE_F_BUFFER) === 0) return { bytes: new Uint8Array(0), keep: () => new Uint8Array(0) };
    this.#held++;
    const bytes = this.#data.bytes((flags >>> IORING_CQE_BUFFER_SHIFT) * this.size, Math.max(result, 0));
    return { bytes, keep: () => bytes.slice() };
  }

  /** Gives the buffer of a CQE back to the kernel. @internal */
  recycle(flags: number): void {
    if ((flags & IORING_CQE_F_BUFFER) === 0 || this.#gone) return;
    this.#held--;
    this.giveBack(flags);
  }

  /** Gives back the buffer of a CQE that was not taken. @internal */
  giveBack(flags: number): void {
    if ((flags & IORING_CQE_F_BUFFER) === 0 || this.#gone) return;
    this.#add(flags >>> IORING_CQE_BUFFER_SHIFT);
    this.#publish();
    this.#tellFree();
  }

  /** Resolves when the kernel has a buffer to choose. @internal */
  async available(): Promise<void> {
    while (this.#held > this.#mask && !this.#gone) await new Promise<void>((resolve) => this.#awaited.push(resolve));
  }

  /** The ring is gone and the kernel may still write: the memory is kept. @internal */
  leave(): void {
    this.#left = true;
    this.#tellFree();
  }

  /** Unregisters the group and frees its memory. */
  [Symbol.dispose](): void {
    if (this.#gone) return;
    this.#onDispose();
    this.#register.unregisterBufferRing(this.id);
    this.#entries.dispose();
    this.#data.dispose();
    this.#tellFree();
  }

  get #gone(): boolean {
    return this.#left || this.#entries.disposed;
  }

  #tellFree(): void {
    for (const resolve of this.#awaited.splice(0)) resolve();
  }

  #add(bid: number): void {
    const at = (this.#tail & this.#mask) * io_uring_buf.size;
    // Entry 0 shares its last two bytes with the tail, so they are not touched here.
    io_uring_buf.set(this.#view, "addr", this.#data.address + bid * this.size, at);
    io_uring_buf.set(this.#view, "len", this.size, at);
    io_uring_buf.set(this.#view, "bid", bid, at);
    this.#tail = (this.#tail + 1) & 0xffff;
  }

  // Entries before the tail: the store must not be reordered with theirs.
  #publish(): void {
    const bid = this.#words[TAIL_WORD]! & 0xffff;
    Atomics.store(this.#words, TAIL_WORD, (this.#tail << 16) | bid);
  }
}
