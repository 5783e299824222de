import { Arena } from "../ffi/index.ts";
import { FixedBuffer } from "./handles.ts";
import { checkInteger } from "./options.ts";
import type { Registrations } from "./register/index.ts";

/** The fixed buffers of a ring: slots of its table, and memory that lives as long as the ring. */
export class FixedBufferTable {
  readonly #register: Registrations;
  readonly #arenas: Arena[] = [];
  readonly #free: number[];

  constructor(register: Registrations, slots: number) {
    this.#register = register;
    this.#free = Array.from({ length: slots }, (_, i) => slots - 1 - i);
  }

  /** Registers fresh memory of `length` bytes. */
  allocate(length: number): FixedBuffer<"memory"> & { readonly bytes: Uint8Array } {
    checkInteger("fixedBuffer", "length", length, 1, 2 ** 30, "a fixed buffer holds at most 1 GiB");
    const index = this.#free.at(-1);
    if (index === undefined) throw new RangeError("the fixed-buffer table is full; open the ring with more fixedBuffers");
    const arena = Arena.allocate(length);
    try {
      this.#register.updateBuffers(index, [{ address: arena.address, length }]);
    } catch (error) {
      arena.dispose();
      throw error;
    }
    this.#free.pop();
    this.#arenas.push(arena);
    return Object.assign(new FixedBuffer(index, arena.address, length, "memory" as const, arena), { bytes: arena.bytes(0, length) });
  }

  /** Frees the memory; the ring is closed. */
  dispose(): void {
    for (const arena of this.#arenas.splice(0)) arena.dispose();
  }

  /** Lets go of the memory, which the kernel may still use. */
  leave(): readonly object[] {
    return this.#arenas.splice(0);
  }
}
