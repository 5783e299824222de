/**
 * The ArrayBuffers through which this thread sees memory that disks share with their clients: one for each mapping, so that all of them can
 * be detached before it goes.
 *
 * @module
 */
import { arrayBufferAt, detach } from "../ffi/index.ts";

const buffers = new Map<number, ArrayBuffer>(); // by address

/** The buffer over a mapping. */
export function sharedBufferAt(address: number, length: number): ArrayBuffer {
  let buffer = buffers.get(address);
  if (buffer === undefined) buffers.set(address, (buffer = arrayBufferAt(address, length)));
  return buffer;
}

/** The mapping is seen through this buffer. */
export function adoptSharedBuffer(address: number, buffer: ArrayBuffer): void {
  buffers.set(address, buffer);
}

/** The mapping is about to go: views of it are empty from now on. */
export function forgetSharedBuffer(address: number): void {
  const buffer = buffers.get(address);
  buffers.delete(address);
  if (buffer !== undefined) detach(buffer);
}

/** The same for all of them: the thread serves no more. */
export function forgetSharedBuffers(): void {
  for (const address of [...buffers.keys()]) forgetSharedBuffer(address);
}
