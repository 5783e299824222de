import { abi, ProtocolError, type RawRing } from "../uring/index.ts";
import type { QueueSpec } from "./queue-spec.ts";
import type { TagBuffers } from "./tag-buffers.ts";

/** The operations of their own that requests have in flight: slots of the ring, `members` in a row for each tag. */
export class TagMembers {
  readonly #raw: RawRing;
  readonly #buffers: TagBuffers;
  /** Called before an operation on a tag's data is queued. */
  beforeUse: ((tag: number) => void) | undefined;
  readonly #perTag: number;
  readonly #base: number;

  constructor(
    raw: RawRing,
    { depth, members }: QueueSpec,
    buffers: TagBuffers,
    completed: (tag: number, result: number, member: number) => void,
  ) {
    this.#raw = raw;
    this.#buffers = buffers;
    this.#perTag = members;
    const handler = (result: number, _flags: number, slot: number): void => {
      const index = slot - this.#base;
      const tag = (index / this.#perTag) | 0;
      completed(tag, result, index - tag * this.#perTag);
    };
    const slots = Array.from({ length: depth * members }, () => raw.allocate(handler));
    this.#base = slots[0] ?? 0;
    if (slots.some((slot, i) => slot !== this.#base + i)) throw new ProtocolError("the slots of a queue's members are not in a row");
  }

  /** Operations that a tag's request has in flight. */
  pending(tag: number): number {
    let count = 0;
    for (let slot = this.#base + tag * this.#perTag, end = slot + this.#perTag; slot < end; slot++) if (this.#raw.inFlightAt(slot)) count++;
    return count;
  }

  /** Asks the kernel to cancel a tag's operations. They end with their own CQEs. */
  cancel(tag: number): void {
    for (let slot = this.#base + tag * this.#perTag, end = slot + this.#perTag; slot < end; slot++) {
      if (!this.#raw.inFlightAt(slot) || this.#raw.freeSlots === 0) continue;
      const own = this.#raw.allocate(() => this.#raw.release(own));
      this.#raw.cancel(own, -1, slot, this.#raw.generation(slot), abi.IORING_ASYNC_CANCEL_USERDATA);
    }
  }

  /** The slot of one of a tag's operations. */
  take(tag: number, member: number): number {
    if (!(member >= 0 && member < this.#perTag))
      throw new RangeError(`member ${member} does not exist; the target declares members: ${this.#perTag}`);
    const slot = this.#base + tag * this.#perTag + member;
    if (this.#raw.inFlightAt(slot)) throw new TypeError(`member ${member} of tag ${tag} has an operation in flight already`);
    if (this.beforeUse !== undefined) this.beforeUse(tag);
    return slot;
  }

  /** Reads a file into a tag's data, wherever that is. */
  read(tag: number, member: number, fd: number, fileOffset: number, at: number, length: number): void {
    const slot = this.take(tag, member);
    const { memory } = this.#buffers;
    if (memory !== undefined) this.#raw.read(slot, fd, memory.dataAddress(tag) + at, length, fileOffset, 0);
    else this.#raw.readFixed(slot, fd, at, length, fileOffset, this.#buffers.index(tag), 0);
  }

  /** Writes a tag's data to a file, from wherever it is. */
  write(tag: number, member: number, fd: number, fileOffset: number, at: number, length: number, rwFlags: number): void {
    const slot = this.take(tag, member);
    const { memory } = this.#buffers;
    if (memory !== undefined) this.#raw.write(slot, fd, memory.dataAddress(tag) + at, length, fileOffset, rwFlags);
    else this.#raw.writeFixed(slot, fd, at, length, fileOffset, this.#buffers.index(tag), rwFlags);
  }

  /** Reads a file into parts of a tag's data. */
  readv(tag: number, member: number, fd: number, fileOffset: number, vectors: number, count: number): void {
    const slot = this.take(tag, member);
    if (this.#buffers.memory !== undefined) this.#raw.readv(slot, fd, vectors, count, fileOffset, 0);
    else this.#raw.readvFixed(slot, fd, vectors, count, fileOffset, this.#buffers.index(tag), 0);
  }

  /** Writes parts of a tag's data to a file. */
  writev(tag: number, member: number, fd: number, fileOffset: number, vectors: number, count: number, rwFlags: number): void {
    const slot = this.take(tag, member);
    if (this.#buffers.memory !== undefined) this.#raw.writev(slot, fd, vectors, count, fileOffset, rwFlags);
    else this.#raw.writevFixed(slot, fd, vectors, count, fileOffset, this.#buffers.index(tag), rwFlags);
  }
}
