import { IORING_CQE_BUFFER_SHIFT, IORING_CQE_F_BUF_MORE, IORING_CQE_F_BUFFER } from "./abi.ts";
import { BufferRing, checkBufferRing } from "./buffer-ring.ts";
import { ProtocolError } from "./error.ts";
import { checkKnown } from "./options.ts";
import type { Registrations } from "./register/index.ts";

/** A piece of received data in a buffer that the kernel chose. */
export interface Chunk {
  /** Valid until the iteration's next step, which gives the buffer back. */
  readonly bytes: Uint8Array;
  /** A copy that stays. */
  keep(): Uint8Array;
}

/** Received data that may span several buffers of a group. */
export interface Bundle {
  /** What was received, in order; valid until the iteration's next step. */
  readonly parts: readonly Uint8Array[];
  /** Bytes in all parts. */
  readonly length: number;
  /** A copy that stays, in one piece. */
  keep(): Uint8Array;
}

/** Data in a buffer that the caller gives back: with `release()`, or at the end of a `using`. */
export interface HeldChunk extends Chunk, Disposable {
  /** Gives the buffer back; the bytes are not valid any more. Twice is fine. */
  release(): void;
}

/** The same in several buffers. */
export interface HeldBundle extends Bundle, Disposable {
  /** Gives the buffers back; the parts are not valid any more. Twice is fine. */
  release(): void;
}

/** Options of a {@link BufferGroup}. */
export interface BufferGroupOptions {
  /** How many buffers; a power of two up to 32768. */
  buffers: number;
  /** Bytes in each. */
  size: number;
  /**
   * The kernel goes on filling a buffer where it stopped, instead of taking a new one for every receive (`IOU_PBUF_RING_INC`, 6.12):
   * few, large buffers. For streams; a datagram that finds too little room left is cut off.
   */
  incremental?: boolean;
  /** With `incremental`: a buffer with less than so many bytes left counts as full (7.1, and late kernels of the 6.18 series). */
  minLeft?: number;
  /** The kernel allocates the ring of the group (`IOU_PBUF_RING_MMAP`, 6.4) instead of pinning memory of this process. */
  kernelMemory?: boolean;
}

/** Buffers that one completion filled: what the chunk types show, and what is given back. @internal */
export class Lease implements HeldChunk, HeldBundle {
  readonly parts: Uint8Array[] = [];
  /** The buffers, by number. */
  readonly buffers: number[] = [];
  readonly #group: BufferGroup;

  constructor(group: BufferGroup) {
    this.#group = group;
  }

  get bytes(): Uint8Array {
    return this.parts[0] ?? EMPTY;
  }

  get length(): number {
    let sum = 0;
    for (const part of this.parts) sum += part.length;
    return sum;
  }

  keep(): Uint8Array {
    const copy = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      copy.set(part, at);
      at += part.length;
    }
    return copy;
  }

  release(): void {
    this.#group.release(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

const EMPTY = new Uint8Array(0);

/** The kernel says that it has filled or sent what a group does not have. */
export const unknownBuffer = (buffer: number, group: number): ProtocolError =>
  new ProtocolError(`a CQE goes beyond what buffer group ${group} has, with buffer ${buffer}`);

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
  /** What it was made with. */
  readonly options: Readonly<BufferGroupOptions>;
  readonly #ring: BufferRing;
  readonly #incremental: boolean;
  readonly #onDispose: () => void;
  readonly #filled: Uint32Array; // by buffer: bytes that the kernel has filled
  readonly #users: Uint32Array; // by buffer: leases that show a part of it
  readonly #full: Uint8Array; // by buffer: the kernel has done with it
  readonly #hopeful = new Set<() => void>();
  #free: number;
  #held = 0;

  /** @internal */
  constructor(id: number, options: BufferGroupOptions, register: Registrations, onDispose: () => void) {
    checkKnown("bufferGroup", options, ["buffers", "size", "incremental", "minLeft", "kernelMemory"]);
    checkBufferRing("bufferGroup", options);
    const { buffers, size, incremental = false } = options;
    this.id = id;
    this.size = size;
    this.options = Object.freeze({ ...options });
    this.#incremental = incremental;
    this.#onDispose = onDispose;
    this.#ring = new BufferRing(id, options, register);
    this.#filled = new Uint32Array(buffers);
    this.#users = new Uint32Array(buffers);
    this.#full = new Uint8Array(buffers);
    for (let buffer = 0; buffer < buffers; buffer++) this.#ring.give(buffer, size);
    this.#ring.publish();
    this.#free = buffers;
  }

  /** Buffers that a consumer holds now. */
  get held(): number {
    return this.#held;
  }

  /** Buffers that the kernel may still choose, by what its completions have told so far. */
  get free(): number {
    return this.#free;
  }

  /** The same, asked of the kernel (`IORING_REGISTER_PBUF_STATUS`, 6.8): completions that nobody has seen yet count as well. */
  kernelFree(): number {
    this.check();
    return this.#ring.left();
  }

  /** Whether its memory was given back. */
  get disposed(): boolean {
    return this.#ring.gone;
  }

  /** Throws when the group cannot be used any more. @internal */
  check(): void {
    if (this.#ring.gone) throw new TypeError("the buffer group was disposed; dispose it after the operations that use it");
  }

  /** What a CQE filled. @internal */
  take(result: number, flags: number): Lease {
    const lease = new Lease(this);
    if ((flags & IORING_CQE_F_BUFFER) === 0) return lease;
    this.check();
    let buffer = flags >>> IORING_CQE_BUFFER_SHIFT;
    let left = Math.max(result, 0);
    for (;;) {
      const from = this.#filled[buffer];
      if (from === undefined || lease.buffers.length === this.#filled.length) throw unknownBuffer(buffer, this.id);
      const length = Math.min(left, this.size - from);
      left -= length;
      lease.parts.push(this.#ring.data.bytes(buffer * this.size + from, length));
      lease.buffers.push(buffer);
      if (this.#users[buffer]++ === 0) this.#held++;
      this.#filled[buffer] = from + length;
      if (left > 0 || !this.#incremental || (flags & IORING_CQE_F_BUF_MORE) === 0) {
        this.#full[buffer] = 1;
        this.#free--;
      }
      if (left === 0) return lease;
      buffer = this.#ring.after(buffer);
    }
  }

  /** Ends a lease: buffers that nobody uses and that are full go back to the kernel. @internal */
  release(lease: Chunk | Bundle): void {
    const { buffers } = lease as Lease;
    if (buffers.length === 0) return;
    for (const buffer of this.#ring.gone ? [] : buffers) {
      if (--this.#users[buffer]! > 0) continue;
      this.#held--;
      if (this.#full[buffer] === 0) continue; // the kernel goes on with it
      this.#full[buffer] = 0;
      this.#filled[buffer] = 0;
      this.#ring.give(buffer, this.size);
      this.#free++;
    }
    buffers.length = 0;
    if (this.#ring.gone) return;
    this.#ring.publish();
    if (this.#free > 0) this.#tellFree();
  }

  /** Gives back what a CQE that nobody wants has filled. @internal */
  giveBack(result: number, flags: number): void {
    if (!this.#ring.gone) this.release(this.take(result, flags));
  }

  /** Calls once the kernel has a buffer to choose, or never will. Answers how to call that off. @internal */
  whenFree(tell: () => void): () => void {
    this.#hopeful.add(tell);
    return () => this.#hopeful.delete(tell);
  }

  /** The ring is gone and the kernel may still write: the memory is kept. @internal */
  leave(): void {
    this.#ring.leave();
    this.#tellFree();
  }

  /** Unregisters the group and frees its memory. */
  [Symbol.dispose](): void {
    if (this.#ring.gone) return;
    this.#onDispose();
    this.#ring.dispose();
    this.#tellFree();
  }

  #tellFree(): void {
    for (const tell of [...this.#hopeful]) tell();
  }
}
