import { Arena } from "../../ffi/index.ts";
import { IORING_OP_PROVIDE_BUFFERS, IORING_OP_REMOVE_BUFFERS } from "../abi.ts";
import { count, declare, Operation } from "../operation.ts";
import { checkInteger, show } from "../options.ts";

/** Options of {@link provideBuffers}. */
export interface ProvideBuffersOptions {
  /** The group's number, 0 to 65535; not one of a BufferGroup, which are counted from 0. */
  group: number;
  /** Where the buffers lie. It must live until they were used or removed: the group keeps only addresses. */
  memory: Arena;
  /** Bytes of each. */
  size: number;
  /** How many; default as many as the memory holds. */
  buffers?: number;
  /** The first one's number (bid), the others follow; default 0. */
  first?: number;
}
/** Options of {@link removeBuffers}. */
export interface RemoveBuffersOptions {
  /** The group's number. */
  group: number;
  /** How many at most. */
  buffers: number;
}

const MOST = 65535;

export const PROVIDE_BUFFERS = declare({
  name: "provideBuffers",
  opcode: IORING_OP_PROVIDE_BUFFERS,
  syscall: "none",
  since: "5.7",
  completions: "one",
  options: ["group", "memory", "size", "buffers", "first"],
  raw(slot: number, address: number, length: number, buffers: number, group: number, first: number) {
    this.prep(IORING_OP_PROVIDE_BUFFERS, slot, buffers, first, address, length, 0, group, 0, 0);
  },
  lower(o: ProvideBuffersOptions, l) {
    if (!(o.memory instanceof Arena)) throw new TypeError(`${l.name}: memory is ${show(o.memory)}; it must be an Arena`);
    const size = checkInteger(l.name, "size", o.size, 1, 0x7fff_ffff);
    const most = Math.min(MOST, Math.floor(o.memory.length / size));
    const buffers = checkInteger(l.name, "buffers", o.buffers === undefined ? most : o.buffers, 1, most, "as many as the memory holds");
    l.pin(o.memory);
    const first = checkInteger(l.name, "first", o.first === undefined ? 0 : o.first, 0, MOST + 1 - buffers);
    return [o.memory.address, size, buffers, checkInteger(l.name, "group", o.group, 0, MOST), first];
  },
  result: count,
});

export const REMOVE_BUFFERS = declare({
  name: "removeBuffers",
  opcode: IORING_OP_REMOVE_BUFFERS,
  syscall: "none",
  since: "5.7",
  completions: "one",
  options: ["group", "buffers"],
  raw(slot: number, buffers: number, group: number) {
    this.prep(IORING_OP_REMOVE_BUFFERS, slot, buffers, 0, 0, 0, 0, group, 0, 0);
  },
  lower: (o: RemoveBuffersOptions, l) => [
    checkInteger(l.name, "buffers", o.buffers, 1, MOST),
    checkInteger(l.name, "group", o.group, 0, MOST),
  ],
  result: count,
});

/**
 * Gives buffers to a group of the older kind: `IORING_OP_PROVIDE_BUFFERS`, since 5.7. Resolves to 0. Each buffer serves once; then it is
 * provided again. For operations of the raw layer with `IOSQE_BUFFER_SELECT`; `ring.bufferGroup` is the newer and faster kind. No system
 * call does it.
 *
 * Errors: EEXIST or EINVAL (the number is a BufferGroup's), ENOMEM, EOVERFLOW (numbers beyond 65535). An error severs a soft link. The
 * memory must live until its buffers were used or removed.
 *
 * @example
 * ```ts
 * import { provideBuffers, removeBuffers, Ring } from "uring-ublk";
 * import { Arena } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * using memory = Arena.allocate(65536);
 * await ring.run(provideBuffers({ group: 1000, memory, size: 4096 }));
 * console.log(await ring.run(removeBuffers({ group: 1000, buffers: 100 }))); // 16
 * ```
 */
export const provideBuffers = (options: ProvideBuffersOptions): Operation<number> => new Operation(PROVIDE_BUFFERS, options);

/**
 * Takes buffers back from a group of the older kind: `IORING_OP_REMOVE_BUFFERS`, since 5.7. Resolves to how many there were. No system
 * call does it.
 *
 * Errors: ENOENT (no such group), EINVAL (a BufferGroup's number). An error severs a soft link. No memory is used.
 *
 * @example
 * ```ts
 * import { removeBuffers, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const settled = await ring.settle(removeBuffers({ group: 1000, buffers: 1 }));
 * console.log((settled as { reason?: { code?: string } }).reason?.code); // ENOENT
 * ```
 */
export const removeBuffers = (options: RemoveBuffersOptions): Operation<number> => new Operation(REMOVE_BUFFERS, options);
