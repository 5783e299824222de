import type { Arena } from "../ffi/index.ts";

/** An ordinary file descriptor. */
export type Fd = number;

/** A slot of a ring's file table (`IOSQE_FIXED_FILE`, 5.1): cheaper than a descriptor, and valid on that ring only. */
export class FixedFile {
  constructor(
    /** Index into the ring's file table. */
    readonly slot: number,
  ) {
    if (!Number.isInteger(slot) || slot < 0) throw new RangeError(`slot is ${slot}; it must be an index into the ring's file table`);
  }
}

/**
 * Which way data may flow through a fixed buffer. Memory of this process takes both. A kernel buffer lent by a ublk request is
 * only a source (a WRITE request's data) or only a sink (a READ request's).
 */
export type Direction = "memory" | "source" | "sink";

/**
 * Whoever lends memory or a fixed buffer to operations, for a time: a block request its data. What is in flight on it is known to the
 * lender, who does not let go of it before the final CQE.
 */
export interface Lender {
  /** An operation in a slot of a ring is about to use it. Throws when nothing is lent any more. */
  lend(ring: object, slot: number): void;
  /** The operation of that slot is over, or was not queued after all. */
  giveBack(slot: number): void;
}

/** A part of a ring's fixed buffer: what the `*_FIXED` operations read from and write to. */
export class FixedBuffer<D extends Direction = "memory"> {
  constructor(
    /** Index into the ring's buffer table. */
    readonly index: number,
    /** For memory its address; for kernel buffers the offset within the request, from 0. */
    readonly address: number,
    /** Bytes. */
    readonly length: number,
    /** Which way data may flow through it. */
    readonly direction: D,
    /** What keeps the memory alive. */
    readonly owner: Arena | Uint8Array | undefined = undefined,
    /** Who lends it, where it is lent. */
    readonly lender: Lender | undefined = undefined,
  ) {}

  /** A sub-range, in bytes from this buffer's start. */
  slice(offset: number, length = this.length - offset): FixedBuffer<D> {
    if (!Number.isInteger(offset) || !Number.isInteger(length) || offset < 0 || length < 0 || offset + length > this.length) {
      throw new RangeError(`bytes ${offset}..${offset + length} lie outside the fixed buffer of ${this.length} bytes`);
    }
    return new FixedBuffer(this.index, this.address + offset, length, this.direction, this.owner, this.lender);
  }
}

/** A buffer that data may be written into. */
export type FixedSink = FixedBuffer<"memory"> | FixedBuffer<"sink">;
/** A buffer that data may be read from. */
export type FixedSource = FixedBuffer<"memory"> | FixedBuffer<"source">;

/** Where an operation that opens a file puts it: a slot of the ring's file table, or any free one. */
export type DirectSlot = FixedFile | "any";
