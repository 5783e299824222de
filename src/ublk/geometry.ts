import { checkBoolean, checkInteger, checkKnown, show } from "../uring/options.ts";
import { type DataMode, lendsPages } from "./data-mode.ts";
import { GEOMETRY } from "./inline.ts";
import { type CheckedIntegrity, checkIntegrity, integrityParams } from "./integrity.ts";
import type { Capabilities } from "./methods.ts";
import { type DiskParams, SECTOR } from "./params.ts";
import { type CheckedSegments, checkSegments } from "./segments.ts";
import type { CheckedOptions } from "./serve-options.ts";
import { parseSize } from "./size.ts";
import type { Opened, Size } from "./target.ts";
import { type CheckedZones, checkZones, zonedParams } from "./zoned.ts";

const PAGE = 4096;
const LARGEST = Number.MAX_SAFE_INTEGER;

/** A geometry with every default in place, in bytes. */
export interface CheckedGeometry {
  size: number;
  blockSize: number;
  physicalBlockSize: number;
  ioMin: number;
  ioOpt: number;
  readOnly: boolean;
  rotational: boolean;
  fua: boolean;
  discardGranularity: number;
  maxDiscard: number;
  maxWriteZeroes: number;
  zeroCopy: boolean;
  members: number;
  dmaAlignment: number;
  synchronous: boolean;
  segments: CheckedSegments | undefined;
  zoned: CheckedZones | undefined;
  integrity: CheckedIntegrity | undefined;
}

function power(option: string, value: Size | undefined, standard: number, least: number, most: number): number {
  const bytes = value === undefined ? standard : parseSize(value, `target: ${option}`);
  if (bytes >= least && bytes <= most && Number.isInteger(Math.log2(bytes))) return bytes;
  throw new RangeError(`target: ${option} is ${bytes} bytes; it must be a power of two from ${least} to ${most}`);
}

/** Checks the size of a disk. */
export function checkCapacity(wanted: Size, blockSize: number, what: string): number {
  const size = parseSize(wanted, `${what}: size`);
  if (size > 0 && size % blockSize === 0 && size <= LARGEST) return size;
  throw new RangeError(`${what}: size is ${size} bytes; it must be a positive multiple of the block size (${blockSize})`);
}

/** Checks what a target says of its disk. */
export function checkGeometry(geometry: Opened<unknown>): CheckedGeometry {
  if (typeof geometry !== "object" || geometry === null) throw new TypeError("target: open() must return an object with at least size");
  checkKnown("target", geometry, [...GEOMETRY, "shared"]);
  if (geometry.size === undefined) throw new TypeError('target: size is missing; give bytes or text such as "1 GiB"');
  const blockSize = power("blockSize", geometry.blockSize, SECTOR, SECTOR, PAGE);
  const size = checkCapacity(geometry.size, blockSize, "target");
  const physicalBlockSize = power("physicalBlockSize", geometry.physicalBlockSize, PAGE, blockSize, 2 ** 28);
  const limit = (option: "maxDiscard" | "maxWriteZeroes"): number => {
    const bytes = geometry[option] === undefined ? 2 ** 30 : parseSize(geometry[option], `target: ${option}`);
    if (bytes < blockSize || bytes > 2 ** 40 || bytes % blockSize !== 0)
      throw new RangeError(`target: ${option} is ${bytes} bytes; it must be a multiple of the block size up to 1 TiB`);
    return bytes;
  };
  if (geometry.resize !== undefined && typeof geometry.resize !== "function")
    throw new TypeError(`target: resize is ${show(geometry.resize)}; it must be a function`);
  for (const option of ["readOnly", "rotational", "fua", "zeroCopy", "synchronous"] as const)
    if (geometry[option] !== undefined) checkBoolean("target", option, geometry[option]);
  return {
    size,
    blockSize,
    physicalBlockSize,
    ioMin: power("ioMin", geometry.ioMin, blockSize, blockSize, 2 ** 28),
    ioOpt: power("ioOpt", geometry.ioOpt, physicalBlockSize, blockSize, 2 ** 28),
    readOnly: geometry.readOnly ?? false,
    rotational: geometry.rotational ?? false,
    fua: geometry.fua ?? false,
    discardGranularity: power("discardGranularity", geometry.discardGranularity, blockSize, blockSize, 2 ** 30),
    maxDiscard: limit("maxDiscard"),
    maxWriteZeroes: limit("maxWriteZeroes"),
    zeroCopy: geometry.zeroCopy ?? false,
    members: geometry.members === undefined ? 1 : checkInteger("target", "members", geometry.members, 0, 16),
    dmaAlignment: geometry.dmaAlignment === undefined ? 0 : power("dmaAlignment", geometry.dmaAlignment, 0, 1, PAGE),
    synchronous: geometry.synchronous ?? false,
    segments: checkSegments(geometry),
    zoned: checkZones(geometry, size, blockSize),
    integrity: checkIntegrity(geometry, blockSize),
  };
}

/** The driver's parameters of a disk: its geometry, what its target can do, and how it is served. */
export function paramsOf(
  geometry: CheckedGeometry,
  can: Capabilities,
  options: CheckedOptions,
  maxIoBytes: number,
  mode: DataMode,
): DiskParams {
  const writable = can.write && !geometry.readOnly && options.readOnly !== true;
  return {
    size: geometry.size,
    blockSize: geometry.blockSize,
    physicalBlockSize: geometry.physicalBlockSize,
    ioMin: geometry.ioMin,
    ioOpt: geometry.ioOpt,
    maxIoBytes,
    readOnly: !writable,
    rotational: options.rotational ?? geometry.rotational,
    volatileCache: writable && can.flush,
    fua: writable && can.flush && geometry.fua,
    maxDiscardBytes: writable && can.discard ? geometry.maxDiscard : 0,
    discardGranularity: geometry.discardGranularity,
    maxWriteZeroesBytes: writable && can.writeZeroes ? geometry.maxWriteZeroes : 0,
    dmaAlignmentMask: !lendsPages(mode) || geometry.dmaAlignment === 0 ? 0 : geometry.dmaAlignment - 1,
    ...(geometry.segments === undefined ? {} : { segments: geometry.segments }),
    ...zonedParams(geometry.zoned, maxIoBytes),
    ...integrityParams(geometry.integrity),
  };
}
