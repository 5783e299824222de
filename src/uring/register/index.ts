/**
 * `io_uring_register(2)`: one class, in layers of one concept each, and what needs no ring.
 *
 * @module
 */
export { BPF_CONTEXT, type BpfFilter, type BpfInstruction, bpf } from "./bpf-filter.ts";
export type { BufferRange, CloneBuffersOptions } from "./buffers.ts";
export { KEEP_FILE, NO_FILE } from "./files.ts";
export type { MemoryRegionOptions } from "./memory.ts";
export type { Restrictions } from "./restrictions.ts";
export { filterThread, type MessageOptions, restrictThread, sendMessage } from "./thread.ts";
export type { NapiSettings } from "./threads.ts";
export { Registrations, type ZcrxInterface, type ZcrxInterfaceOptions } from "./zcrx.ts";
