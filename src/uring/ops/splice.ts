import { IORING_OP_SPLICE, IORING_OP_TEE } from "../abi.ts";
import { SPLICE_F_FD_IN_FIXED } from "../file-constants.ts";
import { type Fd, FixedFile } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { count, declare, TransferOperation } from "../operation.ts";

/** Options of {@link tee}. */
export interface TeeOptions {
  /** The pipe that data comes from: a descriptor, or a slot of the ring's file table. */
  fdIn: Fd | FixedFile;
  /** The pipe that it goes to: a descriptor, or a slot of the ring's file table. */
  fdOut: Fd | FixedFile;
  /** The most to move, in bytes. */
  length: number;
  /** `SPLICE_F_*`. */
  flags?: number;
}
/** Options of {@link splice}: one of both files is a pipe. */
export interface SpliceOptions extends TeeOptions {
  /** Where to read, in bytes; left out for a pipe, or for the file's own position. */
  offsetIn?: number;
  /** Where to write, in bytes; left out for a pipe, or for the file's own position. */
  offsetOut?: number;
}

// The file that is read from has a field and a flag of its own.
function input(fd: Fd | FixedFile, flags: number | undefined, l: Lowering): [fd: number, flags: number] {
  const wanted = l.word("flags", flags);
  return fd instanceof FixedFile ? [fd.slot, wanted | SPLICE_F_FD_IN_FIXED] : [l.descriptor("fdIn", fd), wanted];
}

export const SPLICE = declare({
  name: "splice",
  opcode: IORING_OP_SPLICE,
  syscall: "splice(2)",
  since: "5.7",
  completions: "one",
  severs: "short",
  options: ["fdIn", "offsetIn", "fdOut", "offsetOut", "length", "flags"],
  hints: {
    EINVAL: "neither file is a pipe, a file is open with O_APPEND, or its file system cannot splice",
    ESPIPE: "a pipe has no offset: leave it out",
  },
  raw(slot: number, fdIn: number, offsetIn: number, fdOut: number, offsetOut: number, length: number, flags: number) {
    this.prep(IORING_OP_SPLICE, slot, fdOut, offsetOut, offsetIn, length, flags, 0, fdIn, 0);
  },
  lower(o: SpliceOptions, l) {
    const [fdIn, flags] = input(o.fdIn, o.flags, l);
    return [
      fdIn,
      l.offset("offsetIn", o.offsetIn),
      l.file(o.fdOut, "fdOut"),
      l.offset("offsetOut", o.offsetOut),
      l.needed("length", o.length),
      flags,
    ];
  },
  length: ({ length }) => length,
  result: count,
});

export const TEE = declare({
  name: "tee",
  opcode: IORING_OP_TEE,
  syscall: "tee(2)",
  since: "5.8",
  completions: "one",
  severs: "short",
  options: ["fdIn", "fdOut", "length", "flags"],
  raw(slot: number, fdIn: number, fdOut: number, length: number, flags: number) {
    this.prep(IORING_OP_TEE, slot, fdOut, 0, 0, length, flags, 0, fdIn, 0);
  },
  lower(o: TeeOptions, l) {
    const [fdIn, flags] = input(o.fdIn, o.flags, l);
    return [fdIn, l.file(o.fdOut, "fdOut"), l.needed("length", o.length), flags];
  },
  length: ({ length }) => length,
  result: count,
});

/**
 * Moves data between a file and a pipe without copying it through this process: `IORING_OP_SPLICE`, since 5.7; as `splice(2)`. Resolves
 * to the bytes moved, 0 at the end of the input. Always done by a worker thread of the kernel, which waits there for data.
 *
 * Errors: EINVAL (neither is a pipe; O_APPEND), ESPIPE (an offset for a pipe), EBADF, EAGAIN (SPLICE_F_NONBLOCK). In a soft link anything
 * but the whole length severs the chain. No memory is used.
 *
 * @example
 * ```ts
 * import { read, Ring, splice } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const file = sys.memfdCreate("example");
 * sys.pwrite(file, new TextEncoder().encode("hello, pipe"), 0);
 * const [reader, writer] = sys.pipe();
 * console.log(await ring.run(splice({ fdIn: file, offsetIn: 7, fdOut: writer, length: 4 }))); // 4
 * const buffer = new Uint8Array(4);
 * await ring.run(read({ fd: reader, buffer }));
 * console.log(new TextDecoder().decode(buffer)); // pipe
 * for (const fd of [file, reader, writer]) sys.close(fd);
 * ```
 */
export const splice = (options: SpliceOptions): TransferOperation => new TransferOperation(SPLICE, options);

/**
 * Copies data from a pipe to another and leaves it there: `IORING_OP_TEE`, since 5.8; as `tee(2)`. Resolves to the bytes copied, 0 when the
 * input has no data and no writer. Always done by a worker thread of the kernel, which waits there for data.
 *
 * Errors: EINVAL (not two pipes, or twice the same), EBADF, EAGAIN (SPLICE_F_NONBLOCK). In a soft link anything but the whole length severs
 * the chain. No memory is used.
 *
 * @example
 * ```ts
 * import { Ring, tee, write } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [one, two] = [sys.pipe(), sys.pipe()];
 * await ring.run(write({ fd: one[1], buffer: new TextEncoder().encode("hello") }));
 * console.log(await ring.run(tee({ fdIn: one[0], fdOut: two[1], length: 100 }))); // 5
 * for (const fd of [...one, ...two]) sys.close(fd);
 * ```
 */
export const tee = (options: TeeOptions): TransferOperation => new TransferOperation(TEE, options);
