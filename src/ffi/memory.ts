import { ptr, toArrayBuffer } from "bun:ffi";
import { libc } from "./library.ts";

const TWO_32 = 0x1_0000_0000;

/** Memory a caller may hand to the kernel: a view, or a whole buffer. */
export type Memory = ArrayBufferView | ArrayBuffer | SharedArrayBuffer;

/** Whether the memory behind a view or buffer was transferred away. */
export function isDetached(memory: Memory): boolean {
  const buffer = ArrayBuffer.isView(memory) ? memory.buffer : memory;
  return buffer instanceof ArrayBuffer && buffer.detached;
}

/**
 * The address of a view's first byte.
 *
 * Reading `.buffer` first is what makes the address stable: Bun moves small arrays whose buffer was never looked at. The
 * address is good for as long as the caller holds the view and nobody detaches it.
 *
 * @throws TypeError when the memory is detached.
 */
export function addressOf(memory: Memory): number {
  if (ArrayBuffer.isView(memory)) {
    const buffer = memory.buffer; // must come before ptr(): it pins the storage
    if (buffer instanceof ArrayBuffer && buffer.detached) throw new TypeError("the buffer is detached: its memory was transferred away");
    if (memory.byteLength === 0) return buffer.byteLength === 0 ? 0 : ptr(buffer as ArrayBuffer) + memory.byteOffset;
    return ptr(memory as Uint8Array);
  }
  if (memory instanceof ArrayBuffer && memory.detached) throw new TypeError("the buffer is detached: its memory was transferred away");
  return memory.byteLength === 0 ? 0 : ptr(memory as ArrayBuffer);
}

/** An ArrayBuffer over memory that this library or the kernel owns. Nobody frees it; it must be detached before it goes. */
export function arrayBufferAt(address: number, length: number): ArrayBuffer {
  return toArrayBuffer(address as never, 0, length);
}

/** Detaches every view over an {@link arrayBufferAt} buffer, so that a late access reads nothing instead of crashing. */
export function detach(buffer: ArrayBuffer): void {
  if (!buffer.detached) buffer.transfer();
}

/**
 * Copies `length` bytes between two addresses (`memcpy(3)`), which must not overlap. For hot paths that keep addresses: it makes
 * no view per copy. Nothing is checked: a wrong address ends the process.
 */
export function copyMemory(destination: number, source: number, length: number): void {
  libc.memcpy(destination as never, source as never, length as never);
}

/** The low 32 bits of a non-negative integer below 2^53, as the Int32Array word that carries them. */
export function low32(value: number): number {
  return value | 0;
}

/** Bits 32 to 63 of an integer of at most 53 bits, as an Int32Array word. */
export function high32(value: number): number {
  return Math.floor(value / TWO_32) | 0;
}

/** The 64-bit value of two words, exact below 2^53. */
export function join64(low: number, high: number): number {
  return (low >>> 0) + (high >>> 0) * TWO_32;
}
