import { checkInteger, checkKnown } from "../uring/options.ts";
import { UBLK_F_ZONED } from "./abi.ts";
import type { CheckedGeometry } from "./geometry.ts";
import { checkFeature } from "./lacking.ts";
import type { Capabilities } from "./methods.ts";
import type { DiskParams } from "./params.ts";
import type { CheckedOptions } from "./serve-options.ts";
import { parseSize } from "./size.ts";
import type { Opened, Size } from "./target.ts";
import { ZONE_METHODS } from "./zone-methods.ts";

const LARGEST = 2 ** 40; // as far as the driver counts, in sectors of 32 bits

/** What zones a zoned disk has ({@link ZonedDisk}): `UBLK_F_ZONED`, Linux 6.6. */
export interface ZonedGeometry {
  /** Bytes in each zone: a power of two from 4096. The disk's size is a multiple of it. */
  zoneSize: Size;
  /** Zones that may be open at once; default 0, no limit. The target keeps to it: ETOOMANYREFS for a write that would open one more. */
  maxOpen?: number;
  /** Zones that may be active (open or closed) at once; default 0, no limit. EOVERFLOW for a write that would make one more so. */
  maxActive?: number;
  /** Longest ZONE_APPEND; default the largest request, at most a zone. */
  maxAppend?: Size;
}

/** The same with every default in place, in bytes. */
export interface CheckedZones {
  readonly zoneSize: number;
  readonly maxOpen: number;
  readonly maxActive: number;
  readonly maxAppend: number | undefined;
}

/** Checks what a target says of its zones. */
export function checkZones(geometry: Opened<unknown>, size: number, blockSize: number): CheckedZones | undefined {
  const { zoned } = geometry;
  if (zoned === undefined) return undefined;
  if (typeof zoned !== "object" || zoned === null) throw new TypeError("target: zoned must be an object with at least zoneSize");
  checkKnown("target: zoned", zoned, ["zoneSize", "maxOpen", "maxActive", "maxAppend"]);
  if (zoned.zoneSize === undefined) throw new TypeError('target: zoned.zoneSize is missing; give bytes or text such as "4 MiB"');
  const zoneSize = parseSize(zoned.zoneSize, "target: zoned.zoneSize");
  if (zoneSize < 4096 || zoneSize > LARGEST || !Number.isInteger(Math.log2(zoneSize)))
    throw new RangeError(`target: zoned.zoneSize is ${zoneSize} bytes; it must be a power of two from 4096 to 1 TiB`);
  if (size % zoneSize !== 0) throw new RangeError(`target: size is ${size} bytes; of a zoned disk it must be whole zones of ${zoneSize}`);
  if (geometry.resize !== undefined) throw new TypeError("target: resize is given with zoned; the zones of a disk stay: leave resize out");
  const zones = size / zoneSize;
  const limit = (name: "maxOpen" | "maxActive"): number =>
    zoned[name] === undefined
      ? 0
      : checkInteger("target", `zoned.${name}`, zoned[name], 0, zones, `the disk has ${zones} zones, and 0 is no limit`);
  const [maxOpen, maxActive] = [limit("maxOpen"), limit("maxActive")];
  if (maxActive > 0 && maxOpen > maxActive)
    throw new RangeError(`target: zoned.maxOpen is ${maxOpen}, more than zoned.maxActive (${maxActive}); an open zone is active`);
  const maxAppend = zoned.maxAppend === undefined ? undefined : parseSize(zoned.maxAppend, "target: zoned.maxAppend");
  if (maxAppend !== undefined && (maxAppend < blockSize || maxAppend > zoneSize || maxAppend % blockSize !== 0))
    throw new RangeError(`target: zoned.maxAppend is ${maxAppend} bytes; it must be whole blocks, up to a zone (${zoneSize})`);
  return { zoneSize, maxOpen, maxActive, maxAppend };
}

/** Refuses a zoned disk where there can be none, before anything is made. */
export function checkZoned({ zoned, blockSize }: CheckedGeometry, options: CheckedOptions, features: number): void {
  if (zoned === undefined) return;
  checkFeature("a zoned disk", UBLK_F_ZONED, features, ". Leave zoned out of the target");
  if (options.sharedMemory) throw new TypeError("serve: sharedMemory is true and the disk is zoned; leave sharedMemory out");
  if (options.recovery === "reissue")
    throw new TypeError(
      "serve: recovery is 'reissue' and the disk is zoned: a write that is sent twice lies before the write pointer; use recovery: 'queue'",
    );
  if (blockSize > zoned.zoneSize) throw new RangeError(`target: zoned.zoneSize is ${zoned.zoneSize}, less than a block (${blockSize})`);
}

/** The driver's parameters for zones. */
export function zonedParams(zoned: CheckedZones | undefined, maxIoBytes: number): Pick<DiskParams, "chunkBytes" | "zoned"> {
  if (zoned === undefined) return {};
  const { maxActive, maxAppend = maxIoBytes, maxOpen, zoneSize } = zoned;
  return {
    chunkBytes: zoneSize,
    zoned: { maxOpenZones: maxOpen, maxActiveZones: maxActive, maxZoneAppendBytes: Math.min(maxAppend, maxIoBytes, zoneSize) },
  };
}

/** Refuses zone methods without zones, zones without methods, and methods that a zoned disk has no use for. */
export function checkZoneMethods(can: Capabilities, zoned: boolean): void {
  if (!zoned && can.zones)
    throw new TypeError(
      "target: it has zone methods (or ops.zones), and no zoned in its geometry; add zoned: { zoneSize }, or leave them out",
    );
  if (!zoned) return;
  if (!can.zones)
    throw new TypeError(
      `target: zoned is given, and the target takes no zone requests; add ${ZONE_METHODS.join(", ")}, or ops: { zones: true } beside handle`,
    );
  for (const name of ["discard", "writeZeroes"] as const)
    if (can[name]) throw new TypeError(`target: it has ${name} and is zoned; a zone is emptied by resetZone: leave ${name} out`);
}
