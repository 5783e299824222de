import { Arena, high32 } from "../ffi/index.ts";
import { UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK, UBLK_BATCH_F_HAS_BUF_ADDR, UBLK_BATCH_F_HAS_ZONE_LBA } from "./abi.ts";
import type { QueueSpec } from "./queue-spec.ts";
import type { TagBuffers } from "./tag-buffers.ts";

/** Commits of several requests that may be in flight at a time; when all are, requests are committed one by one. */
export const GATHERED = 4;

/**
 * What the batch commands of a queue point to: `struct ublk_elem_header`, with the address of the tag's memory behind it where the kernel
 * copies, or the place of an append where the disk is zoned. Each tag has one of its own, one behind the other; then come the lists of the commits of several requests.
 */
export class BatchElements {
  /** Bytes in an element. */
  readonly bytes: number;
  /** `UBLK_BATCH_F_*`: what is in it. */
  readonly flags: number;
  /** Words in it, as a shift. */
  readonly shift: number;
  /** All of them: a tag's result is the second word of its element. */
  readonly words: Int32Array;
  readonly #arena: Arena;
  readonly #depth: number;
  readonly #buffers: TagBuffers;
  readonly #registers: boolean;

  constructor({ depth, mode, zoneSize }: QueueSpec, buffers: TagBuffers) {
    this.#depth = depth;
    this.#buffers = buffers;
    this.#registers = mode === "auto-buf-reg";
    const copied = buffers.kernelCopied !== undefined;
    const zoned = zoneSize > 0;
    this.flags =
      (copied ? UBLK_BATCH_F_HAS_BUF_ADDR : this.#registers ? UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK : 0) |
      (zoned ? UBLK_BATCH_F_HAS_ZONE_LBA : 0);
    this.shift = copied || zoned ? 2 : 1;
    this.bytes = 4 << this.shift;
    this.#arena = Arena.allocate((1 + GATHERED) * depth * this.bytes, { populate: true });
    this.words = this.#arena.words();
    for (let tag = 0; tag < depth; tag++) this.write(tag);
  }

  /** Writes a tag's element anew; its result stays. */
  write(tag: number): void {
    const at = tag << this.shift;
    this.words[at] = this.#registers ? tag | (tag << 16) : tag;
    const memory = this.#buffers.kernelCopied;
    if (memory === undefined) return;
    const address = memory.address(tag);
    this.words[at + 2] = address;
    this.words[at + 3] = high32(address);
  }

  /** Sets where the data of a tag's ZONE_APPEND went, in sectors. */
  place(tag: number, sector: number): void {
    const at = (tag << this.shift) + 2;
    this.words[at] = sector;
    this.words[at + 1] = high32(sector);
  }

  /** Where the list of a commit of several begins: the number of its first element. */
  listAt(gathered: number): number {
    return (1 + gathered) * this.#depth;
  }

  /** Address of an element. */
  address(element: number): number {
    return this.#arena.address + element * this.bytes;
  }

  /** Memory to unmap when the thread died. */
  get mapping(): { address: number; length: number } {
    return { address: this.#arena.address, length: this.#arena.length };
  }

  /** Gives the memory back. The ring must be closed. */
  dispose(): void {
    this.#arena.dispose();
  }
}
