import * as abi from "./abi.ts";
import { checkBoolean, checkInteger, checkKnown } from "./options.ts";
import type { Registrations } from "./register/index.ts";
import { mapRing, ownMemory, type RingMemory, type RingRecord } from "./setup.ts";
import { CQ_LIMIT, checkMixed, SQ_LIMIT } from "./shape.ts";
import { io_cqring_offsets, io_sqring_offsets, io_uring_params } from "./structs.ts";

/** New sizes of a ring; what is left out stays, except that the CQ follows the SQ at twice its size. */
export interface ResizeOptions {
  /** SQ entries, 1 to 32768; rounded up to a power of two. */
  entries?: number;
  /** CQ entries; default twice the SQ, or what it is when `entries` is left out. */
  cqEntries?: number;
  /** Sizes beyond the limit are clamped instead of refused. */
  clamp?: boolean;
}

/** Checks what can be known before the kernel is asked. Answers both sizes. */
export function checkResize(record: RingRecord, options: ResizeOptions): { entries: number; cqEntries: number } {
  checkKnown("resize", options, ["entries", "cqEntries", "clamp"]);
  if (options.clamp !== undefined) checkBoolean("resize", "clamp", options.clamp);
  const limit = (most: number): number => (options.clamp ? 0x7fff_ffff : most);
  const { entries = record.sqEntries } = options;
  checkInteger("resize", "entries", entries, 1, limit(SQ_LIMIT), "clamp: true takes the largest");
  const { cqEntries = options.entries === undefined ? record.cqEntries : entries * 2 } = options;
  checkInteger("resize", "cqEntries", cqEntries, 1, limit(CQ_LIMIT), "clamp: true takes the largest");
  if (cqEntries < entries) throw new RangeError(`resize: cqEntries is ${cqEntries}; it must be at least entries (${entries})`);
  checkMixed("resize", record, entries, cqEntries);
  if ((record.flags & abi.IORING_SETUP_DEFER_TASKRUN) === 0)
    throw new TypeError("resize: the kernel resizes only rings with taskrun 'defer' (Linux 6.13)");
  return { entries, cqEntries };
}

/**
 * Has the kernel exchange the ring's memory (`IORING_REGISTER_RESIZE_RINGS`, 6.13) and maps the new one. The old mapping is still
 * there, and means nothing any more.
 */
export function resizeMemory(
  record: RingRecord,
  register: Registrations,
  sizes: { entries: number; cqEntries: number },
  clamp: boolean,
): { memory: RingMemory; record: RingRecord } {
  const params = io_uring_params.build({
    sq_entries: sizes.entries,
    cq_entries: sizes.cqEntries,
    flags: abi.IORING_SETUP_CQSIZE | (clamp ? abi.IORING_SETUP_CLAMP : 0),
  });
  const own =
    (record.flags & abi.IORING_SETUP_NO_MMAP) === 0 ? undefined : ownMemory({ ...sizes, sqe: record.sqe, cqe: record.cqe }, params);
  try {
    register.call("resize rings", abi.IORING_REGISTER_RESIZE_RINGS, params, 1, "EOVERFLOW: more is in the queues than the new ones hold");
  } catch (error) {
    own?.rings.dispose();
    own?.sqes.dispose();
    throw error;
  }
  if ((record.flags & abi.IORING_SETUP_NO_SQARRAY) === 0) tellArray(params, record);
  const memory = { ...(own ?? mapRing(record.fd, params, record.flags)), params };
  return {
    memory,
    record: Object.freeze({
      ...record,
      sqEntries: io_uring_params.get(params, "sq_entries"),
      cqEntries: io_uring_params.get(params, "cq_entries"),
    }),
  };
}

const CACHE_LINE = 64;

// Unlike setup, a resize does not answer where the index array is: behind the CQEs, at the next cache line.
function tellArray(params: DataView, record: RingRecord): void {
  const base = io_uring_params.fields.sq_off[0];
  if (io_sqring_offsets.get(params, "array", base) !== 0) return;
  const cqes = io_cqring_offsets.get(params, "cqes", io_uring_params.fields.cq_off[0]);
  const end = cqes + io_uring_params.get(params, "cq_entries") * (record.cqe === 32 ? 32 : 16);
  io_sqring_offsets.set(params, "array", Math.ceil(end / CACHE_LINE) * CACHE_LINE, base);
}
