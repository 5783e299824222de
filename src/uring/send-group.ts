import type { Memory } from "../ffi/index.ts";
import { IORING_CQE_BUFFER_SHIFT, IORING_CQE_F_BUFFER } from "./abi.ts";
import { unknownBuffer } from "./buffer-group.ts";
import { BufferRing, checkBufferRing } from "./buffer-ring.ts";
import { checkKnown } from "./options.ts";
import type { Registrations } from "./register/index.ts";

/** Options of a {@link SendGroup}. */
export interface SendGroupOptions {
  /** How many buffers; a power of two up to 32768. */
  buffers: number;
  /** Bytes in each. */
  size: number;
  /** The kernel allocates the ring of the group (`IOU_PBUF_RING_MMAP`, 6.4) instead of pinning memory of this process. */
  kernelMemory?: boolean;
}

/**
 * Data on its way out, in a ring of buffers that sends take from in order (`IORING_REGISTER_PBUF_RING` for sending, 6.10): what is
 * pushed while a send waits for the socket goes out behind it, with one operation for all. A group feeds one socket.
 *
 * The memory belongs to the group; dispose it after the operations that use it have ended.
 */
export class SendGroup implements Disposable {
  /** The group number, `buf_group` in SQEs. */
  readonly id: number;
  /** Bytes in each buffer. */
  readonly size: number;
  readonly #ring: BufferRing;
  readonly #onDispose: () => void;
  readonly #lengths: Uint32Array; // by buffer: bytes pushed into it
  readonly #unused: number[];

  /** @internal */
  constructor(id: number, options: SendGroupOptions, register: Registrations, onDispose: () => void) {
    checkKnown("sendGroup", options, ["buffers", "size", "kernelMemory"]);
    checkBufferRing("sendGroup", options);
    this.id = id;
    this.size = options.size;
    this.#onDispose = onDispose;
    this.#ring = new BufferRing(id, options, register);
    this.#lengths = new Uint32Array(options.buffers);
    this.#unused = Array.from({ length: options.buffers }, (_, i) => options.buffers - 1 - i);
  }

  /** Bytes that can be pushed now. */
  get room(): number {
    return this.#unused.length * this.size;
  }

  /** Buffers that wait to be sent. */
  get queued(): number {
    return this.#lengths.length - this.#unused.length;
  }

  /** Whether its memory was given back. */
  get disposed(): boolean {
    return this.#ring.gone;
  }

  /**
   * Copies data into buffers, behind what waits already. Datagrams: one buffer is one message, so data longer than `size` is refused
   * by nobody and arrives in pieces.
   *
   * @throws RangeError when it does not fit: wait until sends have completed.
   */
  push(data: Memory): void {
    this.check();
    const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
    if (bytes.length > this.room) throw new RangeError(`push: ${bytes.length} bytes do not fit; there is room for ${this.room}`);
    for (let at = 0; at < bytes.length; at += this.size) {
      const part = bytes.subarray(at, at + this.size);
      const buffer = this.#unused.pop()!;
      this.#ring.data.bytes(buffer * this.size, part.length).set(part);
      this.#lengths[buffer] = part.length;
      this.#ring.give(buffer, part.length);
    }
    this.#ring.publish();
  }

  /** Throws when the group cannot be used any more. @internal */
  check(): void {
    if (this.#ring.gone) throw new TypeError("the send group was disposed; dispose it after the operations that use it");
  }

  /** The buffers that a CQE names were sent: they are empty again, the last one even when only a part of it was sent. @internal */
  sent(result: number, flags: number): number {
    if ((flags & IORING_CQE_F_BUFFER) === 0 || this.#ring.gone) return result;
    let buffer = flags >>> IORING_CQE_BUFFER_SHIFT;
    for (let left = Math.max(result, 0); ; buffer = this.#ring.after(buffer)) {
      const length = this.#lengths[buffer];
      if (length === undefined || this.#unused.length === this.#lengths.length) throw unknownBuffer(buffer, this.id);
      left -= length;
      this.#unused.push(buffer);
      if (left <= 0) return result;
    }
  }

  /** The ring is gone and the kernel may still read: the memory is kept. @internal */
  leave(): void {
    this.#ring.leave();
  }

  /** Unregisters the group and frees its memory. */
  [Symbol.dispose](): void {
    if (this.#ring.gone) return;
    this.#onDispose();
    this.#ring.dispose();
  }
}
