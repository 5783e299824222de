import {
  LBMD_PI_CAP_INTEGRITY,
  LBMD_PI_CAP_REFTAG,
  UBLK_PARAM_TYPE_INTEGRITY,
  UBLK_PARAM_TYPE_SEGMENT,
  UBLK_PARAM_TYPE_ZONED,
} from "./abi.ts";
import type { ublk_params } from "./structs.ts";

/** Bytes in the unit of all sector counts, whatever the block size. */
export const SECTOR = 512;

/** Limits of a zoned disk (ZONED, with `UBLK_F_ZONED`). */
export interface ZonedParams {
  /** Zones that may be open at once; 0 for no limit. */
  readonly maxOpenZones: number;
  /** Zones that may be active at once; 0 for no limit. */
  readonly maxActiveZones: number;
  /** The longest ZONE_APPEND. */
  readonly maxZoneAppendBytes: number;
}

/** Limits of the memory segments of a request (SEGMENT, Linux 6.16), which let requests fit what a zero-copy target stands on. */
export interface SegmentParams {
  /** No segment crosses a multiple of this plus one: a power of two minus one, from 4095. */
  readonly boundaryMask: number;
  /** The longest segment, from 4096. */
  readonly maxBytes: number;
  /** Segments in a request. */
  readonly maxCount: number;
}

/** What the checksums of protection information are, by name and as `csum_type`. */
export const CHECKSUMS = { none: 0, ip: 1, "crc16-t10dif": 2, "crc64-nvme": 4 } as const;

/** Metadata beside the data (INTEGRITY, with `UBLK_F_INTEGRITY`, Linux 7.0). */
export interface IntegrityParams {
  /** The target can check protection information. */
  readonly capable: boolean;
  /** Reference tags are checked. Not with checksum `"none"`. */
  readonly refTag: boolean;
  /** Segments of metadata in a request; 0 for no limit. */
  readonly maxSegments: number;
  /** Data that one piece of metadata belongs to: a power of two, 512 to the block size. */
  readonly intervalBytes: number;
  /** Bytes of metadata for each interval. */
  readonly metadataBytes: number;
  /** Where the protection information begins in it. */
  readonly offset: number;
  /** The kind of protection information. */
  readonly checksum: keyof typeof CHECKSUMS;
  /** Bytes of the application's tag. */
  readonly tagBytes: number;
}

/** Parameters that most disks do without. */
export interface MoreParams {
  /** No request crosses a multiple of it; the zone size of a zoned disk. Left out: none. */
  chunkBytes?: number;
  /** Segments of a request begin and end at multiples of this plus one, but for its ends. Left out: none. */
  virtBoundaryMask?: number;
  /** Where the first unit of DISCARD begins. Left out: 0. */
  discardAlignment?: number;
  /** Limits of a zoned disk. */
  zoned?: ZonedParams;
  /** Limits of a request's segments. */
  segments?: SegmentParams;
  /** Metadata beside the data. */
  integrity?: IntegrityParams;
}

type Field = Parameters<typeof ublk_params.get>[1];
/** Reads a field of `struct ublk_params`. */
export type ParamsView = (name: Field) => number;

/** The fields of the struct for them, and the types that they are of. */
export function encodeMore(params: MoreParams): Partial<Record<Field, number>> & { types: number } {
  const { chunkBytes = 0, virtBoundaryMask = 0, discardAlignment = 0, zoned, segments, integrity } = params;
  return {
    types:
      (zoned === undefined ? 0 : UBLK_PARAM_TYPE_ZONED) |
      (segments === undefined ? 0 : UBLK_PARAM_TYPE_SEGMENT) |
      (integrity === undefined ? 0 : UBLK_PARAM_TYPE_INTEGRITY),
    "basic.chunk_sectors": chunkBytes / SECTOR,
    "basic.virt_boundary_mask": virtBoundaryMask,
    "discard.discard_alignment": discardAlignment,
    ...(zoned === undefined ? {} : encodeZoned(zoned)),
    ...(segments === undefined ? {} : encodeSegments(segments)),
    ...(integrity === undefined ? {} : encodeIntegrity(integrity)),
  };
}

const encodeZoned = (zoned: ZonedParams): Partial<Record<Field, number>> => ({
  "zoned.max_open_zones": zoned.maxOpenZones,
  "zoned.max_active_zones": zoned.maxActiveZones,
  "zoned.max_zone_append_sectors": zoned.maxZoneAppendBytes / SECTOR,
});

const encodeSegments = (segments: SegmentParams): Partial<Record<Field, number>> => ({
  "seg.seg_boundary_mask": segments.boundaryMask,
  "seg.max_segment_size": segments.maxBytes,
  "seg.max_segments": segments.maxCount,
});

const encodeIntegrity = (integrity: IntegrityParams): Partial<Record<Field, number>> => ({
  "integrity.flags": (integrity.capable ? LBMD_PI_CAP_INTEGRITY : 0) | (integrity.refTag ? LBMD_PI_CAP_REFTAG : 0),
  "integrity.max_integrity_segments": integrity.maxSegments,
  "integrity.interval_exp": Math.log2(integrity.intervalBytes),
  "integrity.metadata_size": integrity.metadataBytes,
  "integrity.pi_offset": integrity.offset,
  "integrity.csum_type": CHECKSUMS[integrity.checksum],
  "integrity.tag_size": integrity.tagBytes,
});

/** Reads them back; what says nothing is left out. */
export function decodeMore(get: ParamsView): MoreParams {
  const types = get("types");
  const chunkBytes = get("basic.chunk_sectors") * SECTOR;
  const virtBoundaryMask = get("basic.virt_boundary_mask");
  const discardAlignment = get("discard.discard_alignment");
  return {
    ...(chunkBytes === 0 ? {} : { chunkBytes }),
    ...(virtBoundaryMask === 0 ? {} : { virtBoundaryMask }),
    ...(discardAlignment === 0 ? {} : { discardAlignment }),
    ...((types & UBLK_PARAM_TYPE_ZONED) === 0 ? {} : { zoned: decodeZoned(get) }),
    ...((types & UBLK_PARAM_TYPE_SEGMENT) === 0 ? {} : { segments: decodeSegments(get) }),
    ...((types & UBLK_PARAM_TYPE_INTEGRITY) === 0 ? {} : { integrity: decodeIntegrity(get) }),
  };
}

const decodeZoned = (get: ParamsView): ZonedParams => ({
  maxOpenZones: get("zoned.max_open_zones"),
  maxActiveZones: get("zoned.max_active_zones"),
  maxZoneAppendBytes: get("zoned.max_zone_append_sectors") * SECTOR,
});

const decodeSegments = (get: ParamsView): SegmentParams => ({
  boundaryMask: get("seg.seg_boundary_mask"),
  maxBytes: get("seg.max_segment_size"),
  maxCount: get("seg.max_segments"),
});

function decodeIntegrity(get: ParamsView): IntegrityParams {
  const flags = get("integrity.flags");
  const type = get("integrity.csum_type");
  const names = Object.keys(CHECKSUMS) as (keyof typeof CHECKSUMS)[];
  return {
    capable: (flags & LBMD_PI_CAP_INTEGRITY) !== 0,
    refTag: (flags & LBMD_PI_CAP_REFTAG) !== 0,
    maxSegments: get("integrity.max_integrity_segments"),
    intervalBytes: 2 ** get("integrity.interval_exp"),
    metadataBytes: get("integrity.metadata_size"),
    offset: get("integrity.pi_offset"),
    checksum: names.find((name) => CHECKSUMS[name] === type) ?? "none",
    tagBytes: get("integrity.tag_size"),
  };
}
