import { Arena, high32 } from "../ffi/index.ts";
import { IOU_PBUF_RING_INC, IOU_PBUF_RING_MMAP } from "./abi.ts";
import { checkBoolean, checkInteger, checkKnown } from "./options.ts";
import type { Registrations } from "./register/index.ts";
import { io_uring_buf } from "./structs.ts";

const TAIL_WORD = 3; // struct io_uring_buf_ring.tail is the upper half of word 3 (byte 14)
const ENTRY_SHIFT = 2; // words of struct io_uring_buf: address (two), length, number (and, in entry 0, the tail)
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

/** Options of {@link RawRing.bufferRing}. */
export interface BufferRingOptions {
  /** The group number, 0 to 65535: `buf_group` in SQEs. One that the ring does not have yet; that of a batched ublk queue has 0. */
  group: number;
  /** How many buffers; a power of two up to 32768. */
  buffers: number;
  /** Bytes in each. */
  size: number;
  /** The kernel goes on filling a buffer where it stopped (`IOU_PBUF_RING_INC`, 6.12). */
  incremental?: boolean;
  /** With `incremental`: a buffer with less than so many bytes left counts as full (7.1, and late kernels of the 6.18 series). */
  minLeft?: number;
  /** The kernel allocates the ring of the group (`IOU_PBUF_RING_MMAP`, 6.4) instead of pinning memory of this process. */
  kernelMemory?: boolean;
}

/** A ring of buffers for the raw layer: {@link RawRing.bufferRing}. */
export function rawBufferRing(options: BufferRingOptions, register: Registrations): BufferRing {
  checkKnown("bufferRing", options, ["group", "buffers", "size", "incremental", "minLeft", "kernelMemory"]);
  const group = checkInteger("bufferRing", "group", options.group, 0, 0xffff);
  checkBufferRing("bufferRing", options);
  const ring = new BufferRing(group, options, register);
  for (let buffer = 0; buffer < options.buffers; buffer++) ring.give(buffer);
  ring.publish();
  return ring;
}

/**
 * A ring of buffers that the kernel picks from when data arrives (`IORING_REGISTER_PBUF_RING`, 5.19), and the memory of the buffers:
 * `io_uring_setup_buf_ring(3)`, `io_uring_buf_ring_add(3)` and `io_uring_buf_ring_advance(3)`. {@link RawRing.bufferRing} makes one; nothing
 * in it allocates. On the described layer {@link BufferGroup} is what to use.
 *
 * It remembers the order in which buffers were given: the kernel takes them in that order, and names only the first of several.
 */
export class BufferRing implements Disposable {
  /** The group number. */
  readonly id: number;
  /** Memory of the buffers, one after the other. */
  readonly data: Arena;
  declare private readonly size: number;
  declare private readonly base: number; // address of the first buffer
  readonly #register: Registrations;
  readonly #entries: Arena;
  declare private readonly words: Int32Array;
  declare private readonly mask: number;
  declare private readonly consumed: boolean; // the kernel writes to the entries, too
  declare private readonly next: Uint16Array; // by buffer: the one given after it
  private newest = NONE;
  private tail = 0;
  #left = false;

  /** @internal */
  constructor(id: number, shape: BufferRingShape, register: Registrations) {
    const { buffers, size, incremental = false, minLeft = 0, kernelMemory = false } = shape;
    this.id = id;
    this.size = size;
    this.#register = register;
    this.mask = buffers - 1;
    this.consumed = incremental;
    this.next = new Uint16Array(buffers).fill(NONE);
    this.data = Arena.allocate(buffers * size);
    try {
      this.#entries = registered(id, buffers, register, kernelMemory, incremental ? IOU_PBUF_RING_INC : 0, minLeft);
    } catch (error) {
      this.data.dispose();
      throw error;
    }
    this.words = this.#entries.words();
    this.base = this.data.address;
  }

  /** Whether the ring's memory is out of use: it was disposed, or left to a kernel that may still write to it. @internal */
  get gone(): boolean {
    return this.#left || this.#entries.disposed;
  }

  /** Where a buffer begins: for operations on what was received. */
  address(buffer: number): number {
    return this.base + buffer * this.size;
  }

  /**
   * Queues a buffer behind the others, or its first `length` bytes; {@link BufferRing.publish} shows it to the kernel. Only a buffer that the
   * kernel has taken and is done with: a CQE named it (`flags >>> IORING_CQE_BUFFER_SHIFT`) and nothing uses its data any more.
   */
  give(buffer: number, length = this.size): void {
    const { words } = this;
    const at = (this.tail & this.mask) << ENTRY_SHIFT;
    // Buffers mostly come back in the order in which they were taken: then the entry says what it shall say already.
    if (this.consumed || words[at + 2] !== length || (words[at + TAIL_WORD]! & 0xffff) !== buffer) this.write(at, buffer, length);
    this.tail = (this.tail + 1) & 0xffff;
    if (this.newest !== NONE) this.next[this.newest] = buffer;
    this.newest = buffer;
  }

  private write(at: number, buffer: number, length: number): void {
    const { words } = this;
    const address = this.address(buffer);
    words[at] = address;
    words[at + 1] = high32(address);
    words[at + 2] = length;
    // Entry 0 shares its last two bytes with the tail, so they are not touched here.
    words[at + TAIL_WORD] = (words[at + TAIL_WORD]! & ~0xffff) | buffer;
  }

  /** Shows the kernel what was given. Entries come before the tail: its store must not be reordered with theirs. */
  publish(): void {
    const bid = this.words[TAIL_WORD]! & 0xffff;
    Atomics.store(this.words, TAIL_WORD, (this.tail << 16) | bid);
  }

  /** The buffer given after this one: a bundle fills one after the other, and its CQE names the first. */
  after(buffer: number): number {
    return this.next[buffer]!;
  }

  /** How many buffers the kernel could still take, as it counts them itself (`IORING_REGISTER_PBUF_STATUS`, 6.8). */
  left(): number {
    return (this.tail - this.#register.bufferRingHead(this.id)) & 0xffff;
  }

  /** Address and length of what it has mapped: what another thread must unmap when the one that owns it has died. @internal */
  get mappings(): readonly { address: number; length: number }[] {
    return [this.#entries, this.data].map(({ address, length }) => ({ address, length }));
  }

  /** The ring was closed, and the group with it: only the memory is given back. Twice is fine. @internal */
  free(): void {
    this.#entries.dispose();
    this.data.dispose();
  }

  /** The ring is gone and the kernel may still write: the memory is kept. @internal */
  leave(): void {
    this.#left = true;
  }

  /** Unregisters the group and frees its memory: not before the operations that use it have ended. Twice is fine. */
  dispose(): void {
    if (this.gone) return;
    this.#register.unregisterBufferRing(this.id);
    this.#entries.dispose();
    this.data.dispose();
  }

  /** {@link BufferRing.dispose}. */
  [Symbol.dispose](): void {
    this.dispose();
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
