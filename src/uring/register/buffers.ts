import { addressOf } from "../../ffi/index.ts";
import * as abi from "../abi.ts";
import type { ResourceTag } from "../mailbox.ts";
import { checkBoolean, checkInteger, checkKnown } from "../options.ts";
import { io_uring_clone_buffers, io_uring_rsrc_register, io_uring_rsrc_update2, iovec } from "../structs.ts";
import { RegisterCalls } from "./calls.ts";
import type { Registrations } from "./zcrx.ts";

const TABLE_LIMIT = 16384;
const ONE_TABLE = "EBUSY: the ring has a buffer table already; ENOMEM: raise `ulimit -l`; EFAULT: the memory is not mapped";

/** Memory for a slot of the buffer table; address and length 0 leave the slot empty. */
export interface BufferRange {
  /** Address of the first byte. */
  readonly address: number;
  /** Bytes, at most 1 GiB. */
  readonly length: number;
}

/** What {@link BufferRegistrations.cloneBuffers} is told. */
export interface CloneBuffersOptions {
  /** The registrations of the ring to take from: `other.register`. */
  source: Registrations;
  /** First slot to take (6.13). Default 0. */
  sourceOffset?: number;
  /** First slot to put into (6.13). Default 0. */
  offset?: number;
  /** How many slots (6.13). Default all from `sourceOffset` on. */
  count?: number;
  /** Slots that hold a buffer are replaced instead of refused (`IORING_REGISTER_DST_REPLACE`, 6.13). */
  replace?: boolean;
}

/** The table of fixed buffers. */
export class BufferRegistrations extends RegisterCalls {
  /**
   * `IORING_REGISTER_BUFFERS` (5.1), with tags `IORING_REGISTER_BUFFERS2` (5.13): a table of the given memory, which must outlive it.
   */
  buffers(memory: readonly BufferRange[], tags?: readonly (ResourceTag | undefined)[]): void {
    checkInteger("register", "buffers", memory.length, 1, TABLE_LIMIT);
    const vectors = this.#vectors(memory);
    this.tagged(tags, memory.length, (addresses) => {
      if (addresses === 0) this.call("buffers", abi.IORING_REGISTER_BUFFERS, vectors, memory.length, ONE_TABLE);
      else {
        const arg = io_uring_rsrc_register.build({ nr: memory.length, data: addressOf(vectors), tags: addresses });
        this.call("buffers", abi.IORING_REGISTER_BUFFERS2, arg, io_uring_rsrc_register.size, ONE_TABLE);
      }
      return memory.length;
    });
  }

  /** `IORING_REGISTER_BUFFERS2` with `RSRC_REGISTER_SPARSE` (5.19): an empty fixed-buffer table of `count` slots (1 to 16384). */
  sparseBuffers(count: number): void {
    checkInteger("register", "buffers", count, 1, TABLE_LIMIT);
    const arg = io_uring_rsrc_register.build({ nr: count, flags: abi.IORING_RSRC_REGISTER_SPARSE });
    this.call("buffers", abi.IORING_REGISTER_BUFFERS2, arg, io_uring_rsrc_register.size, "EBUSY: the ring has a buffer table already");
  }

  /**
   * `IORING_REGISTER_BUFFERS_UPDATE` (5.13): puts memory into table slots. The memory must outlive its slot. Answers how many slots were
   * changed: fewer than given when the kernel refused one of the later ones.
   */
  updateBuffers(first: number, memory: readonly BufferRange[], tags?: readonly (ResourceTag | undefined)[]): number {
    const vectors = this.#vectors(memory);
    return this.tagged(tags, memory.length, (addresses) => {
      const arg = io_uring_rsrc_update2.build({ offset: first, data: addressOf(vectors), tags: addresses, nr: memory.length });
      return this.call("buffers update", abi.IORING_REGISTER_BUFFERS_UPDATE, arg, io_uring_rsrc_update2.size);
    });
  }

  /**
   * `IORING_UNREGISTER_BUFFERS` (5.1): drops the whole table, kernel buffers in it too. Before Linux 6.13 it waits for the operations
   * that use one, which blocks the thread until then, and tags are not told.
   */
  unregisterBuffers(): void {
    this.call("unregister buffers", abi.IORING_UNREGISTER_BUFFERS, 0, 0);
  }

  /**
   * `IORING_REGISTER_CLONE_BUFFERS` (6.12; ranges and `replace` 6.13): takes over slots of another ring's table. Both then hold the
   * memory, which must outlive both tables.
   */
  cloneBuffers(options: CloneBuffersOptions): void {
    const what = "cloneBuffers";
    checkKnown(what, options, ["source", "sourceOffset", "offset", "count", "replace"]);
    const { source, sourceOffset = 0, offset = 0, count = 0, replace = false } = options;
    if (!(source instanceof RegisterCalls))
      throw new TypeError("cloneBuffers: source must be the registrations of a ring (ring.raw.register)");
    checkInteger(what, "sourceOffset", sourceOffset, 0, TABLE_LIMIT);
    checkInteger(what, "offset", offset, 0, TABLE_LIMIT);
    if (options.count !== undefined) checkInteger(what, "count", count, 1, TABLE_LIMIT);
    checkBoolean(what, "replace", replace);
    const { fd, registered } = source.self;
    const flags = (registered ? abi.IORING_REGISTER_SRC_REGISTERED : 0) | (replace ? abi.IORING_REGISTER_DST_REPLACE : 0);
    const arg = io_uring_clone_buffers.build({ src_fd: fd, flags, src_off: sourceOffset, dst_off: offset, nr: count });
    this.call(
      "clone buffers",
      abi.IORING_REGISTER_CLONE_BUFFERS,
      arg,
      1,
      "EBUSY: this ring has a table (replace: true overwrites); ENXIO: the other has none; EOVERFLOW: the range ends beyond its table",
    );
  }

  #vectors(memory: readonly BufferRange[]): DataView<ArrayBuffer> {
    const vectors = iovec.allocate(memory.length);
    this.held = vectors;
    memory.forEach(({ address, length }, i) => {
      iovec.set(vectors, "iov_base", address, i * iovec.size);
      iovec.set(vectors, "iov_len", length, i * iovec.size);
    });
    return vectors;
  }
}
