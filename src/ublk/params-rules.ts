import { show } from "../uring/options.ts";
import { UBLK_F_INTEGRITY, UBLK_F_ZONED } from "./abi.ts";
import type { DeviceInfo } from "./info.ts";
import { TUPLE_BYTES as TUPLES } from "./integrity.ts";
import type { DiskParams } from "./params.ts";
import { CHECKSUMS, SECTOR } from "./params-more.ts";

/** What the rules ask of the device that the parameters are for. */
export type RuledDevice = Pick<DeviceInfo, "flags" | "maxIoBytes">;

/** A rule for one field. */
export interface ParamsRule {
  /** The field, as it is named in {@link DiskParams}. */
  readonly field: string;
  /** What must be, in words. */
  readonly rule: string | ((params: DiskParams, device: RuledDevice) => string);
  /** The field's value; undefined where the rule does not apply. */
  value(params: DiskParams, device: RuledDevice): unknown;
  /** Whether the value keeps to it. */
  holds(value: never, params: DiskParams, device: RuledDevice): boolean;
  /**
   * Who has made the rule: the kernel refuses what breaks it (EINVAL); or it cannot be written into the struct at all; or the kernel takes it, and what
   * it does then is said to be undefined.
   */
  readonly by: "kernel" | "struct" | "header";
}

const PAGE = 4096;
const U32 = 2 ** 32 - 1;
const LARGEST = 2 ** 28;

const isPower = (value: number): boolean => value >= 1 && Number.isInteger(Math.log2(value));
const isMask = (value: number): boolean => Number.isSafeInteger(value) && isPower(value + 1);
const within = (least: number, most: number) => (value: number) => Number.isInteger(value) && value >= least && value <= most;
const powerWithin = (least: number, most: number) => (value: number) => isPower(value) && value >= least && value <= most;
const zones = ({ size, chunkBytes = 0 }: DiskParams): number => Math.floor(size / chunkBytes);

function rule<V>(
  field: string,
  by: ParamsRule["by"],
  words: ParamsRule["rule"],
  value: (params: DiskParams, device: RuledDevice) => V | undefined,
  holds: (value: V, params: DiskParams, device: RuledDevice) => boolean,
): ParamsRule {
  return { field, by, rule: words, value, holds };
}

/** Sizes that the struct counts in sectors of 512 bytes. */
const sectors = (field: string, value: (params: DiskParams) => number | undefined, most = U32 * SECTOR): ParamsRule =>
  rule(
    field,
    "struct",
    `it must be a multiple of ${SECTOR} up to ${most}`,
    value,
    (bytes) => within(0, most)(bytes) && bytes % SECTOR === 0,
  );

/** Numbers that have so many bytes in the struct. */
const fits = (field: string, most: number, value: (params: DiskParams) => number | undefined): ParamsRule =>
  rule(field, "struct", `it must be an integer from 0 to ${most}`, value, within(0, most));

/** A power of two that the struct has as its exponent, as the kernel limits it. */
const shifted = (field: string, least: number, most: number, value: (params: DiskParams) => number | undefined): readonly ParamsRule[] => [
  rule(field, "struct", "it must be a power of two", value, isPower),
  rule(field, "kernel", `it must be a power of two from ${least} to ${most}`, value, powerWithin(least, most)),
];

const BASIC: readonly ParamsRule[] = [
  sectors("size", ({ size }) => size, Number.MAX_SAFE_INTEGER),
  ...shifted("blockSize", 512, PAGE, ({ blockSize }) => blockSize),
  ...shifted("physicalBlockSize", 1, LARGEST, ({ physicalBlockSize }) => physicalBlockSize),
  rule(
    "physicalBlockSize",
    "kernel",
    ({ blockSize }) => `it must not be less than blockSize (${blockSize})`,
    ({ physicalBlockSize }) => physicalBlockSize,
    (bytes, { blockSize }) => bytes >= blockSize,
  ),
  ...shifted("ioMin", 1, LARGEST, ({ ioMin }) => ioMin),
  ...shifted("ioOpt", 1, LARGEST, ({ ioOpt }) => ioOpt),
  sectors("maxIoBytes", ({ maxIoBytes }) => maxIoBytes),
  rule(
    "maxIoBytes",
    "kernel",
    (_, { maxIoBytes }) => `it must be from ${PAGE} to the device's ${maxIoBytes}`,
    ({ maxIoBytes }) => maxIoBytes,
    (bytes, _, { maxIoBytes }) => bytes >= PAGE && bytes <= maxIoBytes,
  ),
  sectors("chunkBytes", ({ chunkBytes }) => chunkBytes),
  fits("virtBoundaryMask", Number.MAX_SAFE_INTEGER, ({ virtBoundaryMask }) => virtBoundaryMask),
];

const ifDiscards = ({ maxDiscardBytes, maxWriteZeroesBytes }: DiskParams): boolean => maxDiscardBytes > 0 || maxWriteZeroesBytes > 0;

const DISCARD: readonly ParamsRule[] = [
  sectors("maxDiscardBytes", ({ maxDiscardBytes }) => maxDiscardBytes),
  sectors("maxWriteZeroesBytes", ({ maxWriteZeroesBytes }) => maxWriteZeroesBytes),
  fits("discardAlignment", U32, ({ discardAlignment }) => discardAlignment),
  fits("discardGranularity", U32, (params) => (ifDiscards(params) ? params.discardGranularity : undefined)),
  rule(
    "discardGranularity",
    "kernel",
    "it must not be 0",
    (params) => (ifDiscards(params) ? params.discardGranularity : undefined),
    (bytes) => bytes !== 0,
  ),
];

const isZoned = ({ flags }: RuledDevice): boolean => (flags & UBLK_F_ZONED) !== 0;

const ZONED: readonly ParamsRule[] = [
  rule(
    "zoned",
    "kernel",
    (_, device) =>
      isZoned(device) ? "the device was made with UBLK_F_ZONED and must have it" : "the device must be made with UBLK_F_ZONED for it",
    ({ zoned }) => ({ given: zoned !== undefined, toString: () => (zoned === undefined ? "left out" : "given") }),
    ({ given }, _, device) => given === isZoned(device),
  ),
  rule(
    "chunkBytes",
    "kernel",
    "with zoned it is the size of a zone and must be a power of two",
    ({ zoned, chunkBytes = 0 }) => (zoned === undefined ? undefined : chunkBytes),
    (bytes) => bytes >= SECTOR && isPower(bytes),
  ),
  ...(["maxOpenZones", "maxActiveZones"] as const).flatMap((name) => [
    fits(`zoned.${name}`, U32, ({ zoned }) => zoned?.[name]),
    rule(
      `zoned.${name}`,
      "kernel" as const,
      (params: DiskParams) => `it must not be more than the zones there are (${zones(params)})`,
      ({ zoned }) => zoned?.[name],
      (count, params) => count <= zones(params),
    ),
  ]),
  sectors("zoned.maxZoneAppendBytes", ({ zoned }) => zoned?.maxZoneAppendBytes),
  rule(
    "zoned.maxZoneAppendBytes",
    "kernel",
    "it must not be 0",
    ({ zoned }) => zoned?.maxZoneAppendBytes,
    (bytes) => bytes !== 0,
  ),
];

// Of a zoned disk the kernel looks at nothing behind the zones.
const DMA: readonly ParamsRule[] = [
  rule(
    "dmaAlignmentMask",
    "kernel",
    `it must be a power of two minus one, up to ${PAGE - 1}`,
    ({ dmaAlignmentMask, zoned }) => (zoned === undefined ? dmaAlignmentMask : undefined),
    (mask) => isMask(mask) && mask < PAGE,
  ),
];

const SEGMENTS: readonly ParamsRule[] = [
  rule(
    "segments.boundaryMask",
    "kernel",
    `it must be a power of two minus one, from ${PAGE - 1} to ${Number.MAX_SAFE_INTEGER}`,
    ({ segments, zoned }) => (zoned === undefined ? segments?.boundaryMask : undefined),
    (mask) => isMask(mask) && mask >= PAGE - 1,
  ),
  fits("segments.maxBytes", U32, ({ segments }) => segments?.maxBytes),
  rule(
    "segments.maxBytes",
    "kernel",
    `it must be at least ${PAGE}`,
    ({ segments, zoned }) => (zoned === undefined ? segments?.maxBytes : undefined),
    (bytes) => bytes >= PAGE,
  ),
  fits("segments.maxCount", 0xffff, ({ segments }) => segments?.maxCount),
  rule(
    "segments.maxCount",
    "header",
    "it must not be 0",
    ({ segments }) => segments?.maxCount,
    (count) => count !== 0,
  ),
];

const INTEGRITY: readonly ParamsRule[] = [
  rule(
    "integrity",
    "kernel",
    "the device must be made with UBLK_F_INTEGRITY for it",
    ({ integrity, zoned }) => (integrity === undefined || zoned !== undefined ? undefined : { toString: () => "given" }),
    (_given, _params, { flags }) => (flags & UBLK_F_INTEGRITY) !== 0,
  ),
  rule(
    "integrity.checksum",
    "struct",
    `it must be one of ${Object.keys(CHECKSUMS).join(", ")}`,
    ({ integrity }) => integrity?.checksum,
    (name) => Object.hasOwn(CHECKSUMS, name),
  ),
  rule(
    "integrity.refTag",
    "kernel",
    "there is none with checksum 'none': it must be false",
    ({ integrity }) => (integrity?.checksum === "none" ? integrity.refTag : undefined),
    (refTag) => !refTag,
  ),
  fits("integrity.maxSegments", 0xffff, ({ integrity }) => integrity?.maxSegments),
  rule("integrity.intervalBytes", "struct", "it must be a power of two", ({ integrity }) => integrity?.intervalBytes, isPower),
  rule(
    "integrity.intervalBytes",
    "kernel",
    ({ blockSize }) => `it must be a power of two from 512 to blockSize (${blockSize})`,
    ({ integrity }) => integrity?.intervalBytes,
    (bytes, { blockSize }) => powerWithin(512, blockSize)(bytes),
  ),
  fits("integrity.metadataBytes", 0xff, ({ integrity }) => integrity?.metadataBytes),
  fits("integrity.offset", 0xff, ({ integrity }) => integrity?.offset),
  rule(
    "integrity.metadataBytes",
    "kernel",
    ({ integrity }) => `it must not be 0, and hold ${TUPLES[integrity!.checksum]} bytes from offset ${integrity!.offset} on`,
    ({ integrity }) => integrity?.metadataBytes,
    (bytes, { integrity }) => bytes > 0 && bytes >= integrity!.offset + TUPLES[integrity!.checksum],
  ),
  fits("integrity.tagBytes", 0xff, ({ integrity }) => integrity?.tagBytes),
];

/** Every rule, in the order in which the kernel looks: its own, and what the struct can hold. */
export const PARAMS_RULES: readonly ParamsRule[] = [...BASIC, ...DISCARD, ...ZONED, ...DMA, ...SEGMENTS, ...INTEGRITY];

/**
 * Checks parameters by the kernel's own rules (Linux 7.2): its EINVAL for SET_PARAMS names nothing, and wipes what was set before.
 *
 * @throws RangeError naming the field, its value and the rule.
 */
export function checkParams(params: DiskParams, device: RuledDevice): void {
  for (const { field, rule: words, value, holds } of PARAMS_RULES) {
    const found = value(params, device);
    if (found === undefined || holds(found as never, params, device)) continue;
    const shown = typeof found === "object" ? String(found) : show(found);
    throw new RangeError(`SET_PARAMS: ${field} is ${shown}; ${typeof words === "string" ? words : words(params, device)}`);
  }
}
