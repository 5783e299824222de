import type { Memory } from "../ffi/index.ts";
import { UringError } from "./error.ts";
import { type Fd, FixedBuffer, type FixedFile, type FixedSink, type FixedSource } from "./handles.ts";
import { read, readFixed } from "./ops/read.ts";
import { write, writeFixed } from "./ops/write.ts";
import { checkInteger, checkKnown } from "./options.ts";
import type { Ring } from "./ring.ts";
import type { RunOptions } from "./ring-options.ts";

/** What {@link readAll} and {@link writeAll} share. */
interface Whole {
  /** The file: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** Bytes from the start of the file; left out: the file's own position, and the only choice for pipes and sockets. */
  offset?: number;
  /** `RWF_*` flags of each read or write. */
  flags?: number;
}

/** Options of {@link readAll}. */
export interface ReadAllOptions extends Whole {
  /** Filled from its first byte: memory, or a fixed buffer that data may go into. */
  buffer: Memory | FixedSink;
}
/** Options of {@link writeAll}. */
export interface WriteAllOptions extends Whole {
  /** Written from its first byte: memory, or a fixed buffer that data may come from. */
  buffer: Memory | FixedSource;
}

/** What {@link readAll} got. */
export interface FullRead {
  /** Bytes read. */
  readonly bytes: number;
  /** Why there are no more: the buffer is full, or the file (or stream) ended before. */
  readonly end: "full" | "eof";
}

const OPTIONS = ["fd", "buffer", "offset", "flags"] as const;
const EIO = -5;

/** The rest of a buffer; memory and fixed buffers have their own kind of part. */
function rest<B extends FixedBuffer<"memory"> | FixedSink | FixedSource>(buffer: Memory | B, done: number): Uint8Array | B {
  if (buffer instanceof FixedBuffer) return buffer.slice(done) as B;
  if (ArrayBuffer.isView(buffer)) return new Uint8Array(buffer.buffer, buffer.byteOffset + done, buffer.byteLength - done);
  return new Uint8Array(buffer, done);
}

const lengthOf = (buffer: Memory | FixedSink | FixedSource): number => (buffer instanceof FixedBuffer ? buffer.length : buffer.byteLength);

function check(what: string, options: Whole): void {
  checkKnown(what, options, OPTIONS);
  if (options.offset !== undefined) checkInteger(what, "offset", options.offset, 0, Number.MAX_SAFE_INTEGER, "bytes");
}

/** Repeats `step` until `length` bytes are done or it does none; a signal between two steps counts as well as one within. */
async function repeat(length: number, signal: AbortSignal | undefined, step: (done: number) => Promise<number>): Promise<number> {
  signal?.throwIfAborted();
  let done = 0;
  while (done < length) {
    const count = await step(done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/**
 * Reads until the buffer is full or the file ends: `read` again after each short result, as pipes, sockets, signals and the end of a
 * file give them. Resolves to the bytes read, and which of both it was.
 *
 * Rejects with the first error, or the reason of `signal`; what was read until then is in the buffer. The buffer is pinned until the
 * last CQE. With O_DIRECT a file whose length is no multiple of the block size ends with EINVAL behind its last block: read it once
 * with {@link read}.
 *
 * @example
 * ```ts
 * import { readAll, Ring, writeAll } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = sys.memfdCreate("example");
 * await writeAll(ring, { fd, buffer: new TextEncoder().encode("hello"), offset: 0 });
 * const { bytes, end } = await readAll(ring, { fd, buffer: new Uint8Array(100), offset: 0 });
 * console.log(bytes, end); // 5 eof
 * sys.close(fd);
 * ```
 */
export async function readAll(ring: Ring, options: ReadAllOptions, run: RunOptions = {}): Promise<FullRead> {
  check("readAll", options);
  const { buffer, offset, ...others } = options;
  const length = lengthOf(buffer);
  const bytes = await repeat(length, run.signal, (done) => {
    const part = rest<FixedSink>(buffer, done);
    const at = offset === undefined ? {} : { offset: offset + done };
    return ring.run(
      part instanceof FixedBuffer ? readFixed({ ...others, ...at, buffer: part }) : read({ ...others, ...at, buffer: part }),
      run,
    );
  });
  return { bytes, end: bytes === length ? "full" : "eof" };
}

/**
 * Writes the whole buffer: `write` again after each short result, as full pipes and sockets, signals and limits give them. Resolves to
 * the bytes written, which is the buffer's length.
 *
 * Rejects with the first error (ENOSPC after a part, EPIPE ...), or the reason of `signal`; a part may have been written. The buffer is
 * pinned until the last CQE.
 *
 * @example
 * ```ts
 * import { Ring, writeAll } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = sys.memfdCreate("example");
 * console.log(await writeAll(ring, { fd, buffer: new Uint8Array(100_000), offset: 0 })); // 100000
 * sys.close(fd);
 * ```
 */
export async function writeAll(ring: Ring, options: WriteAllOptions, run: RunOptions = {}): Promise<number> {
  check("writeAll", options);
  const { buffer, offset, ...others } = options;
  const length = lengthOf(buffer);
  const bytes = await repeat(length, run.signal, (done) => {
    const part = rest<FixedSource>(buffer, done);
    const at = offset === undefined ? {} : { offset: offset + done };
    return ring.run(
      part instanceof FixedBuffer ? writeFixed({ ...others, ...at, buffer: part }) : write({ ...others, ...at, buffer: part }),
      run,
    );
  });
  if (bytes < length)
    throw new UringError({ operation: "writeAll", errno: EIO, hint: `the file took ${bytes} of ${length} bytes and no more` });
  return bytes;
}
