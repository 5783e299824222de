import { high32 } from "../ffi/index.ts";
import { type BufferRing, type BufferRingOptions, rawBufferRing } from "./buffer-ring.ts";
import { RingCore } from "./core.ts";
import { RawMailbox, ResourceTag } from "./mailbox.ts";
import type { RawArgument } from "./operation.ts";
import { SQE_ADDR3, SQE_ATTR_MASK, SQE_FILE_INDEX } from "./submission.ts";
import { controlWriters } from "./writers/control.ts";
import { fileWriters } from "./writers/files.ts";
import { socketWriters } from "./writers/sockets.ts";

/** Every raw writer, by the name it has on {@link RawRing}; each comes from the declaration of its operation. */
const writers = { ...fileWriters, ...socketWriters, ...controlWriters } as const;

type Writers = {
  readonly [Name in keyof typeof writers]: (typeof writers)[Name] extends (
    this: RingCore,
    slot: number,
    ...args: infer Args extends readonly (RawArgument | undefined)[]
  ) => void
    ? (slot: number, ...args: Args) => void
    : never;
};

/** The raw writers: positional, queueing without submitting. The first argument is always the slot. */
export interface RawRing extends Writers {}

/**
 * The raw layer of a ring: positional writers, a table of handlers, no allocation per operation.
 *
 * A slot names an operation in flight. `allocate(handler)` gives one; writing an operation with it arms it; its final CQE
 * frees it for the next operation, and `release` gives it back. `user_data` is the slot and a generation, so that a CQE of an
 * earlier operation is recognised. The writers (`nop`, `read`, ...) queue without submitting; {@link RingCore.enter | enter} submits and
 * waits, {@link RingCore.reap | reap} runs the handlers.
 *
 * The ring belongs to the thread that made it. In-flight memory must stay alive until the final CQE: this layer pins nothing.
 *
 * @example
 * ```ts
 * import { RawRing } from "uring-ublk/uring";
 * using ring = new RawRing({ entries: 8 });
 * let seen = 0;
 * const slot = ring.allocate(() => seen++);
 * ring.nop(slot);
 * ring.enter(1);
 * ring.reap();
 * console.log(seen); // 1
 * ```
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods are installed from the same table that types them
export class RawRing extends RingCore {
  static {
    Object.assign(RawRing.prototype, writers);
  }

  /** Gives the write that was written last a write stream (6.16). */
  setWriteStream(stream: number): void {
    this.setWord(SQE_FILE_INDEX, stream);
  }

  /** Gives the read or write that was written last attributes (6.14): their address, and a mask of `IORING_RW_ATTR_FLAG_*`. */
  setAttributes(address: number, mask: number): void {
    this.setWord(SQE_ADDR3, address);
    this.setWord(SQE_ADDR3 + 1, high32(address));
    this.setWord(SQE_ATTR_MASK, mask);
  }

  /**
   * A ring of buffers that the kernel picks from when data arrives (`IORING_REGISTER_PBUF_RING`, 5.19): all of them are given to it. Dispose
   * it before the ring is closed.
   *
   * @example
   * ```ts
   * import { abi, RawRing } from "uring-ublk/uring";
   * import { openSync } from "node:fs";
   * using ring = new RawRing({ entries: 8 });
   * using buffers = ring.bufferRing({ group: 1, buffers: 4, size: 4096 });
   * const slot = ring.allocate((result, flags) => {
   *   if ((flags & abi.IORING_CQE_F_BUFFER) === 0) throw new Error(`no buffer: ${result}`);
   *   const buffer = flags >>> abi.IORING_CQE_BUFFER_SHIFT;
   *   console.log(new TextDecoder().decode(buffers.data.bytes(buffer * 4096, 5))); // Linux
   *   buffers.give(buffer);
   *   buffers.publish();
   * });
   * ring.readProvided(slot, openSync("/proc/version", "r"), 1, 5, 0, 0);
   * ring.enter(1);
   * ring.reap();
   * ```
   *
   * @throws UringError EEXIST when the ring has the group; EINVAL before Linux 5.19, and for what the running kernel does not know.
   */
  bufferRing(options: BufferRingOptions): BufferRing {
    return rawBufferRing(options, this.register);
  }

  /** A place for messages of other rings; `handler` gets result and flags of each. Give {@link RawMailbox.address} to who sends. */
  mailbox(handler: (result: number, flags: number) => void): RawMailbox {
    return new RawMailbox(this, handler);
  }

  /** A tag for registered buffers or files; `freed` runs when the kernel lets go of one that carries it. */
  tag(freed: () => void): ResourceTag {
    return new ResourceTag(this, freed);
  }
}
