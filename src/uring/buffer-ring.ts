import { Arena } from "../ffi/index.ts";
import { IOU_PBUF_RING_INC, IOU_PBUF_RING_MMAP } from "./abi.ts";
import { checkBoolean, checkInteger } from "./options.ts";
import type { Registrations } from "./register/index.ts";
import { io_uring_buf } from "./structs.ts";

const TAIL_WORD = 3; // struct io_uring_buf_ring.tail is the upper half of word 3 (byte 14)
const NONE = 0xffff;
const BUFFERS_MAX = 32768;

/** What a {@link BufferRing} is made of. */
export interface BufferRingShape {
  readonly buffers: number;
  readonly size: number;
  readonly incremental?: boolean;
  readonly minLeft?: number;
  readonly kernelMemory?: boolean;
}

/** Checks the shape before anything is allocated. */
export function checkBufferRing(what: string, shape: BufferRingShape): void {
  const buffers = checkInteger(what, "buffers", shape.buffers, 1, BUFFERS_MAX);
  if ((buffers & (buffers - 1)) !== 0) throw new RangeError(`${what}: buffers is ${buffers}; it must be a power of two`);
  checkInteger(what, "size", shape.size, 1, 0x7fff_ffff);
  for (const option of ["incremental", "kernelMemory"] as const) if (shape[option] !== undefined) checkBoolean(what, option, shape[option]);
  if (shape.minLeft === undefined) return;
  checkInteger(what, "minLeft", shape.minLeft, 1, shape.size);
  if (!shape.incremental) throw new TypeError(`${what}: minLeft needs incremental: true`);
}

/**
 * The ring through which buffers are given to the kernel (`IORING_REGISTER_PBUF_RING`), and the memory of the buffers. It remembers
 * the order in which they were given: the kernel takes them in that order, and names only the first of several.
 */
export class BufferRing {
  /** The group number. */
  readonly id: number;
  /** Memory of the buffers, one after the other. */
  readonly data: Arena;
  readonly #size: number;
  readonly #register: Registrations;
  readonly #entries: Arena;
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #next: Uint16Array; // by buffer: the one given after it
  #newest = NONE;
  #tail = 0;
  #left = false;

  constructor(id: number, shape: BufferRingShape, register: Registrations) {
    const { buffers, size, incremental = false, minLeft = 0, kernelMemory = false } = shape;
    this.id = id;
    this.#size = size;
    this.#register = register;
    this.#mask = buffers - 1;
    this.#next = new Uint16Array(buffers).fill(NONE);
    this.data = Arena.allocate(buffers * size);
    try {
      this.#entries = registered(id, buffers, register, kernelMemory, incremental ? IOU_PBUF_RING_INC : 0, minLeft);
    } catch (error) {
      this.data.dispose();
      throw error;
    }
    this.#view = this.#entries.view();
    this.#words = this.#entries.words();
  }

  /** Whether the ring's memory is out of use: it was disposed, or left to a kernel that may still write to it. */
  get gone(): boolean {
    return this.#left || this.#entries.disposed;
  }

  /** Queues a buffer behind the others; {@link BufferRing.publish} shows it to the kernel. */
  give(buffer: number, length: number): void {
    const at = (this.#tail & this.#mask) * io_uring_buf.size;
    // Entry 0 shares its last two bytes with the tail, so they are not touched here.
    io_uring_buf.set(this.#view, "addr", this.data.address + buffer * this.#size, at);
    io_uring_buf.set(this.#view, "len", length, at);
    io_uring_buf.set(this.#view, "bid", buffer, at);
    this.#tail = (this.#tail + 1) & 0xffff;
    if (this.#newest !== NONE) this.#next[this.#newest] = buffer;
    this.#newest = buffer;
  }

  /** Shows the kernel what was given. Entries come before the tail: its store must not be reordered with theirs. */
  publish(): void {
    const bid = this.#words[TAIL_WORD]! & 0xffff;
    Atomics.store(this.#words, TAIL_WORD, (this.#tail << 16) | bid);
  }

  /** The buffer given after this one. */
  after(buffer: number): number {
    return this.#next[buffer]!;
  }

  /** How many buffers the kernel could still take, as it counts them itself (6.8). */
  left(): number {
    return (this.#tail - this.#register.bufferRingHead(this.id)) & 0xffff;
  }

  /** The ring is gone and the kernel may still write: the memory is kept. */
  leave(): void {
    this.#left = true;
  }

  /** Unregisters the group and frees its memory. */
  dispose(): void {
    if (this.gone) return;
    this.#register.unregisterBufferRing(this.id);
    this.#entries.dispose();
    this.data.dispose();
  }
}

function registered(id: number, buffers: number, register: Registrations, kernelMemory: boolean, flags: number, minLeft: number): Arena {
  if (kernelMemory) {
    register.bufferRing(id, undefined, buffers, flags | IOU_PBUF_RING_MMAP, minLeft);
    try {
      return register.mapBufferRing(id, buffers);
    } catch (error) {
      register.unregisterBufferRing(id);
      throw error;
    }
  }
  const entries = Arena.allocate(buffers * io_uring_buf.size, { populate: true });
  try {
    register.bufferRing(id, entries, buffers, flags, minLeft);
  } catch (error) {
    entries.dispose();
    throw error;
  }
  return entries;
}
