import { type BufferRing, type Driver, type RawRing, abi as uring } from "../uring/index.ts";
import { powerOfTwo } from "../uring/setup.ts";
import { UBLK_U_IO_FETCH_IO_CMDS } from "./abi.ts";
import { UblkError } from "./error.ts";
import type { QueueEvents, QueueSpec } from "./queue-spec.ts";
import { CHAR_FILE } from "./tag-commands.ts";

const ENODEV = -19;
const ENOBUFS = -105;
const TAG_BYTES = 2;
/** The most tags that one completion brings: the driver's limit. */
const TAGS_MAX = 128;
/** The group of the buffers: where it is the only one, the kernel finds it without a search. {@link Ring} gives out numbers from 1. */
const GROUP = 0;
/** How often in a row a fetch that the driver refuses is repeated. */
const REPEATS = 3;

/** How many buffers a queue's fetch has at most. A completion brings one tag at least: more than the depth are never in use. */
export const fetchBuffers = { most: 256 };

/** What a {@link BatchFetch} consults. */
export interface BatchFetchParts {
  readonly raw: RawRing;
  readonly driver: Driver;
  readonly spec: QueueSpec;
  readonly events: Pick<QueueEvents, "broken">;
  /** What takes the requests. */
  readonly queue: { completed(result: number, tag: number): void };
  /** There will be none any more. */
  readonly over: () => void;
}

/**
 * The requests of a queue as they come to its ring: a FETCH_IO_CMDS that stays, and buffers in which the kernel lists the tags.
 */
export class BatchFetch {
  declare private readonly raw: RawRing;
  declare private readonly queue: BatchFetchParts["queue"];
  declare private readonly buffers: BufferRing;
  declare private readonly tags: Uint16Array; // of all buffers
  declare private readonly perBuffer: number;
  private refusals = 0;
  readonly #parts: BatchFetchParts;
  readonly #slot: number;

  constructor(parts: BatchFetchParts) {
    const { raw, spec, queue } = parts;
    const buffers = Math.min(powerOfTwo(spec.depth), fetchBuffers.most);
    this.#parts = parts;
    this.raw = raw;
    this.queue = queue;
    this.perBuffer = Math.min(spec.depth, TAGS_MAX);
    this.buffers = raw.bufferRing({ group: GROUP, buffers, size: this.perBuffer * TAG_BYTES });
    const { buffer, byteOffset } = this.buffers.data.bytes();
    this.tags = new Uint16Array(buffer, byteOffset, buffers * this.perBuffer);
    this.#slot = raw.allocate(this.fetched, "many");
  }

  /** Asks for requests. */
  start(): void {
    this.raw.uringCmdMultishot(
      this.#slot,
      CHAR_FILE,
      UBLK_U_IO_FETCH_IO_CMDS,
      0,
      this.#parts.spec.queue,
      TAG_BYTES << 16,
      0,
      0,
      this.buffers.id,
    );
    this.raw.setFlags(uring.IOSQE_FIXED_FILE);
  }

  /** Which tags a completion lists. For the trace. */
  listed(result: number, flags: number): readonly number[] {
    const first = (flags >>> uring.IORING_CQE_BUFFER_SHIFT) * this.perBuffer;
    return [...this.tags.subarray(first, first + result / TAG_BYTES)];
  }

  /** The slot of the command. */
  get slot(): number {
    return this.#slot;
  }

  /** Memory to unmap when the thread died. */
  get mappings(): readonly { address: number; length: number }[] {
    return this.buffers.mappings;
  }

  /** Gives the memory back. The ring must be closed. */
  dispose(): void {
    this.buffers.free();
  }

  // Closures, so that the JIT takes for constants what never changes.

  private readonly fetched = (result: number, flags: number): void => {
    if ((flags & uring.IORING_CQE_F_BUFFER) !== 0) this.deliver(result >> 1, flags >>> uring.IORING_CQE_BUFFER_SHIFT);
    if ((flags & uring.IORING_CQE_F_MORE) === 0 && !this.raw.closed) this.#ended(result);
  };

  // What one request's handler throws must not keep the others from theirs.
  private readonly deliver = (count: number, buffer: number): void => {
    const end = buffer * this.perBuffer + count;
    this.refusals = 0;
    for (let at = end - count; at < end; at++) {
      try {
        this.queue.completed(0, this.tags[at]!);
      } catch (error) {
        this.raw.onHandlerError!(error);
      }
      if (this.raw.closed) return; // and its memory is gone
    }
    this.buffers.give(buffer);
    this.buffers.publish();
  };

  // It ended though nobody asked it to: out of buffers, which are all back by now, or the CQ was full. The driver has kept the requests.
  #ended(result: number): void {
    const { driver, events, over, spec } = this.#parts;
    if (result === ENODEV) {
      over();
      return;
    }
    if (result < 0 && result !== ENOBUFS && ++this.refusals > REPEATS) {
      const subject = `queue ${spec.queue}`;
      events.broken(new UblkError({ command: "FETCH_IO_CMDS", device: spec.device, errno: result, subject }));
      return;
    }
    this.start();
    driver.kick();
  }
}
