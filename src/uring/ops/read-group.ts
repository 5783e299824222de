import { IORING_OP_READ, IORING_OP_READ_MULTISHOT, IOSQE_BUFFER_SELECT } from "../abi.ts";
import type { BufferGroup, Chunk, HeldChunk } from "../buffer-group.ts";
import type { Fd, FixedFile } from "../handles.ts";
import { declare, MultishotOperation, Operation } from "../operation.ts";
import { lowerShared, SHARED, type TransferOptions } from "./rw.ts";

/** Options of {@link readProvided}. */
export interface ReadProvidedOptions extends TransferOptions {
  /** Where the kernel takes the buffer from. */
  group: BufferGroup;
  /** The most to read; default as much as the buffer holds. */
  length?: number;
}

export const READ_PROVIDED = declare({
  name: "readProvided",
  opcode: IORING_OP_READ,
  syscall: "pread(2)",
  since: "5.19",
  completions: "one",
  options: ["group", "length", ...SHARED],
  raw(slot: number, fd: number, group: number, length: number, offset: number, flags: number) {
    this.prep(IORING_OP_READ, slot, fd, offset, 0, length, flags, group, 0, 0);
    this.setFlags(IOSQE_BUFFER_SELECT);
  },
  lower(o: ReadProvidedOptions, l) {
    return [l.file(o.fd), l.group(o.group), l.word("length", o.length), l.offset("offset", o.offset), lowerShared(o, l)];
  },
  result: (result: number, flags: number, o: ReadProvidedOptions): HeldChunk => o.group.take(result, flags),
  discard: (result, flags, o) => o.group.giveBack(result, flags),
});

/** Options of {@link readMultishot}. */
export interface ReadMultishotOptions {
  /** A file that can be polled: a pipe, a terminal, a socket, an eventfd; a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** Where the kernel takes buffers from. */
  group: BufferGroup;
  /** `RWF_*` flags of preadv2(2). */
  flags?: number;
}

export const READ_MULTISHOT = declare({
  name: "readMultishot",
  opcode: IORING_OP_READ_MULTISHOT,
  syscall: "read(2)",
  since: "6.7",
  completions: "many",
  options: ["fd", "group", "flags"],
  hints: { EBADFD: "the file cannot be polled, as regular files cannot: read it with read or readProvided" },
  raw(slot: number, fd: number, group: number, offset: number, flags: number) {
    this.prep(IORING_OP_READ_MULTISHOT, slot, fd, offset, 0, 0, flags, group, 0, 0);
    this.setFlags(IOSQE_BUFFER_SELECT);
  },
  lower(o: ReadMultishotOptions, l) {
    return [l.file(o.fd), l.group(o.group), -1, l.word("flags", o.flags)];
  },
  result: (result: number, flags: number, o: ReadMultishotOptions): Chunk => o.group.take(result, flags),
  discard: (result, flags, o) => o.group.giveBack(result, flags),
});

/**
 * Reads into a buffer that the kernel takes from a group when the data is there: `IORING_OP_READ` with `IOSQE_BUFFER_SELECT`, since
 * 5.19 with buffer rings; as `pread(2)`. Thousands of idle readers need no buffer each. Resolves to a {@link HeldChunk}, which the
 * caller releases (`using`); its `bytes` are empty at the end of the file.
 *
 * Errors: as {@link read}; ENOBUFS (the group has no buffer left: release sooner, or make it larger). The group's memory lives as long
 * as the group. In a soft link anything but the whole `length` severs the chain.
 *
 * @example
 * ```ts
 * import { closeSync, openSync } from "node:fs";
 * import { readProvided, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * using group = ring.bufferGroup({ buffers: 4, size: 4096 });
 * const fd = openSync("/proc/version", "r");
 * {
 *   using piece = await ring.run(readProvided({ fd, group, offset: 0, length: 5 }));
 *   console.log(new TextDecoder().decode(piece.bytes)); // Linux
 * }
 * closeSync(fd);
 * ```
 */
export const readProvided = (options: ReadProvidedOptions): Operation<HeldChunk> => new Operation(READ_PROVIDED, options);

/**
 * Reads again and again into a buffer group: `IORING_OP_READ_MULTISHOT`, since 6.7; as `read(2)` in a loop. `ring.run` of it is an
 * async iterable of {@link Chunk}; it ends with the file (all writers of a pipe have closed it). While the group has no buffer left it
 * pauses, and data waits in the pipe.
 *
 * Errors: EBADFD (the file cannot be polled: regular files), EBADF, EISDIR. The group's memory lives as long as the group; a chunk's
 * bytes until the iteration's next step. A link starts its next operation with the last CQE; an error severs it.
 *
 * @example
 * ```ts
 * import { readMultishot, Ring, write } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * using group = ring.bufferGroup({ buffers: 4, size: 4096 });
 * const [near, far] = sys.socketpair(1, 1);
 * await ring.run(write({ fd: near, buffer: new TextEncoder().encode("hello") }));
 * sys.close(near);
 * for await (const chunk of ring.run(readMultishot({ fd: far, group }))) {
 *   console.log(new TextDecoder().decode(chunk.bytes)); // hello
 * }
 * sys.close(far);
 * ```
 */
export const readMultishot = (options: ReadMultishotOptions): MultishotOperation<Chunk> => new MultishotOperation(READ_MULTISHOT, options);
