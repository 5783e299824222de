import { high32, type Memory } from "../../ffi/index.ts";
import { IO_INTEGRITY_CHK_APPTAG, IO_INTEGRITY_CHK_GUARD, IO_INTEGRITY_CHK_REFTAG } from "../file-constants.ts";
import type { Direction, Fd, FixedBuffer, FixedFile } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { checkChoice, checkInteger, checkKnown, show } from "../options.ts";
import { io_uring_attr_pi } from "../structs.ts";
import { SQE_ADDR3, SQE_ATTR_MASK, SQE_FILE_INDEX } from "../submission.ts";
import { fixedVectorsOf, vectorsOf } from "./vectors.ts";

/**
 * Protection information (T10 DIF/DIX) that goes with the data of a read or write (`IORING_RW_ATTR_FLAG_PI`, 6.14). The file must be
 * a block device with an integrity profile, opened with O_DIRECT.
 */
export interface ProtectionInformation {
  /** The tuples: read from for a write, filled by a read; pinned until the CQE. */
  buffer: Memory;
  /** The application tag of every tuple, 16 bits. */
  appTag?: number;
  /** The reference tag of the first tuple. */
  seed?: number;
  /** What is checked: the guard (checksum), the reference tag, the application tag. Default nothing. */
  check?: readonly ("guard" | "reference" | "application")[];
}

/** What all reads and writes of files share. */
export interface TransferOptions {
  /** The file: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** Bytes from the start of the file; left out: the file's own position, and the only choice for pipes and sockets. */
  offset?: number;
  /** `RWF_*` flags of preadv2(2) and pwritev2(2). */
  flags?: number;
  /** The I/O priority: {@link ioPriority}, or 0 for that of the thread. */
  ioprio?: number;
  /** Protection information that goes with the data. */
  protection?: ProtectionInformation;
}

/** What all writes of files share. */
export interface WriteTransferOptions extends TransferOptions {
  /** The write stream of the device, 1 to 255 (6.16): data of one stream is kept together. Default none. */
  writeStream?: number;
}

/** The options that all have. */
export const SHARED = ["fd", "offset", "flags", "ioprio", "protection"] as const;
const WRITES = [...SHARED, "writeStream"] as const;

/** The options of the reads and of the writes, by whether they take one buffer or several. */
export const READ_ONE = ["buffer", ...SHARED] as const;
export const READ_MANY = ["buffers", ...SHARED] as const;
export const WRITE_ONE = ["buffer", ...WRITES] as const;
export const WRITE_MANY = ["buffers", ...WRITES] as const;

/** fd, address, length, offset, flags: the arguments of `read` and `write`. */
export function lowerOne(o: WriteTransferOptions & { buffer: Memory }, l: Lowering): [number, number, number, number, number] {
  return [l.file(o.fd), l.data("buffer", o.buffer), o.buffer.byteLength, l.offset("offset", o.offset), lowerShared(o, l)];
}

/** fd, address, length, offset, index, flags: the arguments of `readFixed` and `writeFixed`. */
export function lowerFixed(
  o: WriteTransferOptions & { buffer: FixedBuffer<Direction> },
  l: Lowering,
): [number, number, number, number, number, number] {
  const buffer = l.fixed("buffer", o.buffer);
  return [l.file(o.fd), buffer.address, buffer.length, l.offset("offset", o.offset), buffer.index, lowerShared(o, l)];
}

/** fd, iovecs, their number, offset, flags: the arguments of `readv` and `writev`. */
export function lowerMany(o: WriteTransferOptions & { buffers: readonly Memory[] }, l: Lowering): [number, number, number, number, number] {
  return [l.file(o.fd), vectorsOf(o.buffers, l), o.buffers.length, l.offset("offset", o.offset), lowerShared(o, l)];
}

/** fd, iovecs, their number, offset, index, flags: the arguments of `readvFixed` and `writevFixed`. */
export function lowerManyFixed(
  o: WriteTransferOptions & { buffers: readonly FixedBuffer<Direction>[] },
  l: Lowering,
): [number, number, number, number, number, number] {
  const [vectors, index] = fixedVectorsOf(o.buffers, l);
  return [l.file(o.fd), vectors, o.buffers.length, l.offset("offset", o.offset), index, lowerShared(o, l)];
}

/** Lowers what every transfer may carry besides its data; answers the `RWF_*` flags. */
export function lowerShared(o: WriteTransferOptions, l: Lowering): number {
  if (o.ioprio !== undefined) l.ioprio = checkInteger(l.name, "ioprio", o.ioprio, 0, 0xffff, "ioPriority(...) makes one");
  if (o.writeStream !== undefined) l.set(SQE_FILE_INDEX, checkInteger(l.name, "writeStream", o.writeStream, 0, 255));
  if (o.protection !== undefined) protect(o.protection, l);
  return l.word("flags", o.flags);
}

const CHECKS = { guard: IO_INTEGRITY_CHK_GUARD, reference: IO_INTEGRITY_CHK_REFTAG, application: IO_INTEGRITY_CHK_APPTAG } as const;

// The kernel copies the attribute at submission; the tuples it names are used until the CQE.
function protect(o: ProtectionInformation, l: Lowering): void {
  const what = `${l.name}: protection`;
  checkKnown(what, o, ["buffer", "appTag", "seed", "check"]);
  let flags = 0;
  if (o.check !== undefined && !Array.isArray(o.check))
    throw new TypeError(`${what}: check is ${show(o.check)}; it must be an array of names`);
  for (const name of o.check ?? []) {
    const names = Object.keys(CHECKS) as (keyof typeof CHECKS)[];
    flags |= CHECKS[checkChoice(what, "check", name, names)];
  }
  const attribute = io_uring_attr_pi.build({
    flags,
    app_tag: checkInteger(what, "appTag", o.appTag === undefined ? 0 : o.appTag, 0, 0xffff),
    addr: l.data("protection's buffer", o.buffer),
    len: o.buffer.byteLength,
    seed: checkInteger(what, "seed", o.seed === undefined ? 0 : o.seed, 0, Number.MAX_SAFE_INTEGER),
  });
  const address = l.memory(attribute);
  l.set(SQE_ADDR3, address);
  l.set(SQE_ADDR3 + 1, high32(address));
  l.set(SQE_ATTR_MASK, l.needs("IORING_RW_ATTR_FLAG_PI"));
}
