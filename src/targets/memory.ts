import { addressOf, copyMemory, MADV_DONTNEED, PAGE_SIZE, sys } from "../ffi/index.ts";
import {
  defineTarget,
  Op,
  parseSize,
  type RequestTarget,
  type Resized,
  type Size,
  type UblkQueue,
  type UblkRequest,
} from "../ublk/index.ts";
import { checkKnown } from "../uring/options.ts";

/** Options of the memory disk. */
export interface MemoryOptions {
  /** Capacity. It may exceed the memory of the machine as long as what is written does not. */
  size: Size;
  /** Logical block; default 512. */
  blockSize?: Size;
  /** What the disk may be resized to at most; default `size`. Only what is written takes memory. */
  maxSize?: Size;
}

/** What the serving threads share. */
interface MemoryShared {
  /** Each of {@link CHUNK} bytes but the last: one SharedArrayBuffer cannot be larger than about 4 GiB. */
  readonly chunks: readonly SharedArrayBuffer[];
}

const CHUNK = 2 ** 30;
/** A DISCARD gives pages back, which takes the kernel time: the limit keeps one request short. */
const MAX_DISCARD = 64 * 2 ** 20;

function allocate(size: number): SharedArrayBuffer[] {
  const chunks: SharedArrayBuffer[] = [];
  try {
    for (let left = size; left > 0; left -= CHUNK) chunks.push(new SharedArrayBuffer(Math.min(left, CHUNK)));
  } catch (cause) {
    throw new RangeError(
      `memory: ${size} bytes are asked for, and this process cannot reserve more than ${chunks.length} GiB; choose a smaller disk`,
      { cause },
    );
  }
  return chunks;
}

/** Serves requests from the chunks: copies by address, without a view or any other object per request. */
class MemoryRequests implements RequestTarget {
  readonly ops = { discard: true, writeZeroes: true };
  readonly #views: readonly Uint8Array<SharedArrayBuffer>[]; // they keep the chunks alive, and fill them
  readonly #addresses: Float64Array<ArrayBuffer>;
  readonly #buffers: Float64Array<ArrayBuffer>; // where each tag's data lies, once known
  readonly #fetched: boolean; // a WRITE's data comes when it is asked for

  constructor(queue: UblkQueue, { chunks }: MemoryShared) {
    this.#views = chunks.map((chunk) => new Uint8Array(chunk));
    this.#addresses = Float64Array.from(chunks, (chunk) => addressOf(chunk));
    this.#buffers = new Float64Array(queue.spec.depth);
    this.#fetched = queue.spec.mode === "user-copy";
  }

  handle(request: UblkRequest): void {
    switch (request.op) {
      case Op.READ:
      case Op.WRITE:
        this.#copy(request);
        break;
      case Op.FLUSH: // never sent: there is no cache in front of memory
        break;
      default:
        this.#clear(request.offset, request.length);
    }
    request.complete();
  }

  #copy(request: UblkRequest): void {
    const { length, offset, tag } = request;
    // A tag's memory stays where it is as long as the queue lives.
    let data = this.#buffers[tag]!;
    const reads = request.op === Op.READ;
    if (data === 0 || (this.#fetched && !reads)) data = this.#buffers[tag] = addressOf(request.bytes);
    for (let done = 0; done < length; ) {
      const chunk = Math.floor((offset + done) / CHUNK);
      const at = offset + done - chunk * CHUNK;
      const part = Math.min(length - done, CHUNK - at);
      const memory = this.#addresses[chunk]! + at;
      if (reads) copyMemory(data + done, memory, part);
      else copyMemory(memory, data + done, part);
      done += part;
    }
  }

  #clear(offset: number, length: number): void {
    clear(this.#views, this.#addresses, offset, length);
  }
}

/** Zeroes a range of the disk. */
function clear(
  views: readonly Uint8Array<SharedArrayBuffer>[],
  addresses: Float64Array<ArrayBuffer>,
  offset: number,
  length: number,
): void {
  for (let done = 0; done < length; ) {
    const chunk = Math.floor((offset + done) / CHUNK);
    const at = offset + done - chunk * CHUNK;
    const part = Math.min(length - done, CHUNK - at);
    clearRange(views[chunk]!, addresses[chunk]!, at, part);
    done += part;
  }
}

/** Zeroes a range: whole pages go back to the system and read as zeros, the rest is overwritten. */
function clearRange(view: Uint8Array, address: number, at: number, length: number): void {
  const end = at + length;
  // The buffer itself need not begin at a page.
  const skew = address % PAGE_SIZE;
  const first = Math.ceil((at + skew) / PAGE_SIZE) * PAGE_SIZE - skew;
  const last = Math.floor((end + skew) / PAGE_SIZE) * PAGE_SIZE - skew;
  if (first >= last) {
    view.fill(0, at, end);
    return;
  }
  view.fill(0, at, first);
  // Locked memory (mlockall) stays where it is.
  if (!sys.madvise(address + first, last - first, MADV_DONTNEED)) view.fill(0, first, last);
  view.fill(0, last, end);
}

/** What is reserved is there whatever the disk's size; what lies behind the end of a smaller one is given back, and reads as zeros once it grows. */
function resize(chunks: readonly SharedArrayBuffer[], size: number, from: number): Resized {
  const most = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (size > most)
    throw new RangeError(`memory: size is ${size} bytes, and the disk was made for at most ${most}; make it with a larger maxSize`);
  if (size > from) return;
  return () => {
    const views = chunks.map((chunk) => new Uint8Array(chunk));
    clear(
      views,
      Float64Array.from(chunks, (chunk) => addressOf(chunk)),
      size,
      from - size,
    );
  };
}

/** A disk in memory that all serving threads share. */
export default defineTarget({
  open(options: MemoryOptions) {
    checkKnown("memory", options ?? {}, ["size", "blockSize", "maxSize"]);
    if (options?.size === undefined) throw new TypeError('memory: size is missing; give bytes or text such as "1 GiB"');
    const size = parseSize(options.size, "memory: size");
    const blockSize = options.blockSize === undefined ? 512 : parseSize(options.blockSize, "memory: blockSize");
    if (size === 0 || size % blockSize !== 0) {
      throw new RangeError(`memory: size is ${size} bytes; it must be a positive multiple of the block size (${blockSize})`);
    }
    const maxSize = options.maxSize === undefined ? size : parseSize(options.maxSize, "memory: maxSize");
    if (maxSize < size) throw new RangeError(`memory: maxSize is ${maxSize} bytes, less than the size (${size})`);
    const chunks = allocate(maxSize);
    const shared: MemoryShared = { chunks };
    return {
      size,
      blockSize,
      synchronous: true,
      members: 0,
      maxDiscard: MAX_DISCARD,
      maxWriteZeroes: MAX_DISCARD,
      resize: (to, from) => resize(chunks, to, from),
      shared,
    };
  },
  attach: (queue, shared) => new MemoryRequests(queue, shared),
});
