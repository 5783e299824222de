/**
 * Bytes, memory and system calls under Bun's FFI: what the rings are built on.
 *
 * Exported for those who need one more system call; outside semantic versioning.
 *
 * @module
 */
export { Arena, type ArenaOptions } from "./arena.ts";
export { errnoName, errnoOf } from "./errno.ts";
export { blockErrnoOf, SystemError, type SystemErrorInit } from "./error.ts";
export * from "./ioctl.ts";
export { type RingSyscalls, ringSyscalls } from "./library.ts";
export { addressOf, arrayBufferAt, copyMemory, detach, high32, isDetached, join64, low32, type Memory } from "./memory.ts";
export { type Field, Struct } from "./struct.ts";
export * from "./syscalls.ts";
