import { checkBoolean, checkChoice, checkInteger, checkKnown } from "../uring/options.ts";
import { UBLK_F_INTEGRITY } from "./abi.ts";
import type { CheckedGeometry } from "./geometry.ts";
import { checkFeature } from "./lacking.ts";
import type { DiskParams } from "./params.ts";
import { CHECKSUMS } from "./params-more.ts";
import { parseSize } from "./size.ts";
import type { Geometry, Size } from "./target.ts";

/** The kinds of protection information that the kernel has; `"none"` is metadata without. */
export type Checksum = keyof typeof CHECKSUMS;

/** Bytes of a tuple of protection information, by its checksum. */
export const TUPLE_BYTES: Readonly<Record<Checksum, number>> = { none: 0, ip: 8, "crc16-t10dif": 8, "crc64-nvme": 16 };

/** Metadata beside a disk's data ({@link Geometry.integrity}): `UBLK_F_INTEGRITY`, Linux 7.0. */
export interface IntegrityGeometry {
  /** What the guard tag of each tuple is: `"ip"`, `"crc16-t10dif"` or `"crc64-nvme"`; `"none"`: there are no tuples, only bytes. */
  checksum: Checksum;
  /** Bytes of metadata for each interval, 1 to 255; default the tuple's own, 8 or 16. With `"none"` it must be given. */
  metadataBytes?: number;
  /** Where the tuple begins in them; default 0. */
  offset?: number;
  /** Data that one piece of metadata belongs to: 512 to the block size; default the block size. */
  interval?: Size;
  /** The client checks reference tags, which say where the data belongs; default true, but for `"none"`. */
  refTag?: boolean;
  /** Bytes of the application's tag, for clients to know; default 0. */
  tagBytes?: number;
  /** Segments of metadata in a request; default 0, no limit. */
  maxSegments?: number;
}

/** The same with every default in place: what a queue must know of it. */
export interface CheckedIntegrity {
  readonly checksum: Checksum;
  readonly metadataBytes: number;
  readonly offset: number;
  readonly intervalBytes: number;
  readonly refTag: boolean;
  readonly tagBytes: number;
  readonly maxSegments: number;
}

const OPTIONS = ["checksum", "metadataBytes", "offset", "interval", "refTag", "tagBytes", "maxSegments"] as const;

/** Checks what a target says of its metadata. */
export function checkIntegrity({ integrity }: Geometry, blockSize: number): CheckedIntegrity | undefined {
  if (integrity === undefined) return undefined;
  const what = "target: integrity";
  if (typeof integrity !== "object" || integrity === null) throw new TypeError(`${what} must be an object with at least checksum`);
  checkKnown(what, integrity, OPTIONS);
  const checksum = checkChoice<Checksum>(what, "checksum", integrity.checksum, Object.keys(CHECKSUMS) as Checksum[]);
  const tuple = TUPLE_BYTES[checksum];
  const integer = (name: "metadataBytes" | "offset" | "tagBytes" | "maxSegments", standard: number, least: number, most: number): number =>
    integrity[name] === undefined ? standard : checkInteger(what, name, integrity[name], least, most);
  if (tuple === 0 && integrity.metadataBytes === undefined)
    throw new TypeError(`${what}.metadataBytes is missing; with checksum 'none' it says how many bytes belong to each interval`);
  const offset = integer("offset", 0, 0, 255 - Math.max(tuple, 1));
  const metadataBytes = integer("metadataBytes", offset + tuple, 1, 255);
  if (metadataBytes < offset + tuple)
    throw new RangeError(`${what}.metadataBytes is ${metadataBytes}; a tuple of ${tuple} bytes at offset ${offset} does not fit`);
  const intervalBytes = integrity.interval === undefined ? blockSize : parseSize(integrity.interval, `${what}.interval`);
  if (intervalBytes < 512 || intervalBytes > blockSize || !Number.isInteger(Math.log2(intervalBytes)))
    throw new RangeError(`${what}.interval is ${intervalBytes} bytes; it must be a power of two from 512 to the block size (${blockSize})`);
  const refTag = integrity.refTag === undefined ? tuple > 0 : checkBoolean(what, "refTag", integrity.refTag);
  if (refTag && tuple === 0) throw new TypeError(`${what}.refTag is true, and checksum 'none' has no tuples; leave refTag out`);
  const [tagBytes, maxSegments] = [integer("tagBytes", 0, 0, 255), integer("maxSegments", 0, 0, 0xffff)];
  return { checksum, metadataBytes, offset, intervalBytes, refTag, tagBytes, maxSegments };
}

/** Refuses metadata where there can be none, before anything is made. */
export function checkMetadata({ integrity, zoned }: CheckedGeometry, features: number): void {
  if (integrity === undefined) return;
  checkFeature("a disk with integrity", UBLK_F_INTEGRITY, features, ". Leave integrity out of the target");
  if (zoned !== undefined)
    throw new TypeError("target: integrity is given with zoned, and the driver checks only one of them; leave one of them out");
}

/** The driver's parameters for it. */
export const integrityParams = (integrity: CheckedIntegrity | undefined): Pick<DiskParams, "integrity"> =>
  integrity === undefined ? {} : { integrity: { ...integrity, capable: false } };
