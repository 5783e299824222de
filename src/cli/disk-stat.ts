/**
 * What the kernel counts of a disk: `/sys/block/DISK/stat` (Documentation/block/stat.rst; discards since 4.18, flushes since 5.5).
 *
 * @module
 */

/** What is counted of one kind of request. */
export interface OpCount {
  /** Requests that were completed. */
  readonly requests: number;
  readonly bytes: number;
  /** How long they took together, in milliseconds. */
  readonly ms: number;
}

export type OpName = "read" | "write" | "discard" | "flush";
export const OPS: readonly OpName[] = ["read", "write", "discard", "flush"];

/** One look at a disk. */
export interface DiskStat {
  readonly ops: Readonly<Record<OpName, OpCount>>;
  /** Requests that were open at that moment. */
  readonly open: number;
  /** For how long there was at least one, in milliseconds. */
  readonly busyMs: number;
}

const SECTOR = 512;

/** Understands the file. A kernel that does not count something has zeros there. */
export function parseStat(text: string): DiskStat {
  const fields = text.trim().split(/\s+/).map(Number);
  const field = (at: number): number => fields[at] ?? 0;
  const count = (at: number): OpCount => ({ requests: field(at), bytes: field(at + 2) * SECTOR, ms: field(at + 3) });
  return {
    ops: {
      read: count(0),
      write: count(4),
      discard: count(11),
      flush: { requests: field(15), bytes: 0, ms: field(16) },
    },
    open: field(8),
    busyMs: field(9),
  };
}

/** What has come to it since an earlier look. */
export function since(before: DiskStat, now: DiskStat): DiskStat {
  const less = (op: OpName): OpCount => {
    const [a, b] = [before.ops[op], now.ops[op]];
    return { requests: b.requests - a.requests, bytes: b.bytes - a.bytes, ms: b.ms - a.ms };
  };
  return {
    ops: { read: less("read"), write: less("write"), discard: less("discard"), flush: less("flush") },
    open: now.open,
    busyMs: now.busyMs - before.busyMs,
  };
}

/** The mean latency in microseconds; undefined without a request. */
export const meanOf = ({ requests, ms }: OpCount): number | undefined => (requests === 0 ? undefined : (ms / requests) * 1000);
