import {
  UBLK_ATTR_FUA,
  UBLK_ATTR_READ_ONLY,
  UBLK_ATTR_ROTATIONAL,
  UBLK_ATTR_VOLATILE_CACHE,
  UBLK_PARAM_TYPE_BASIC,
  UBLK_PARAM_TYPE_DISCARD,
  UBLK_PARAM_TYPE_DMA_ALIGN,
} from "./abi.ts";
import { decodeMore, encodeMore, type MoreParams, type ParamsView, SECTOR } from "./params-more.ts";
import { ublk_params } from "./structs.ts";

export { SECTOR };

/** A size in the unit of the driver; what is not whole sectors is refused. */
export function sectorsOf(bytes: number): number {
  if (Number.isSafeInteger(bytes) && bytes >= 0 && bytes % SECTOR === 0) return bytes / SECTOR;
  throw new RangeError(`size is ${bytes} bytes; it must be a multiple of ${SECTOR}`);
}

/**
 * A device's parameters, in bytes: all seven kinds that the driver knows. BASIC is what every disk has; DISCARD, DMA_ALIGN, ZONED, SEGMENT and INTEGRITY
 * are sent where they say something; DEVT is the kernel's own word, and only asked for ({@link UblkControl.getParams}).
 */
export interface DiskParams extends MoreParams {
  /** Capacity; a multiple of the block size. */
  size: number;
  /** Logical block: 512 to 4096, a power of two. */
  blockSize: number;
  /** Physical block; at least the logical one. */
  physicalBlockSize: number;
  /** Smallest good size of a request. */
  ioMin: number;
  /** Best size of a request. */
  ioOpt: number;
  /** The longest request. */
  maxIoBytes: number;
  /** Clients may not write. */
  readOnly: boolean;
  /** Clients schedule as for a spinning disk. */
  rotational: boolean;
  /** There is a cache that FLUSH empties. Without it the kernel never sends FLUSH. */
  volatileCache: boolean;
  /** WRITE may carry FUA. Only with a volatile cache. */
  fua: boolean;
  /** Longest DISCARD, 0 for none. */
  maxDiscardBytes: number;
  /** What DISCARD handles as a unit. */
  discardGranularity: number;
  /** Longest WRITE_ZEROES, 0 for none. */
  maxWriteZeroesBytes: number;
  /** Memory alignment that zero-copy targets need for requests, minus one (511 for most O_DIRECT files); 0 for the default. */
  dmaAlignmentMask: number;
}

const shift = (bytes: number): number => Math.log2(bytes);

/** Encodes `struct ublk_params`, as it is: {@link checkParams} knows what the kernel makes of it. */
export function encodeParams(params: DiskParams): DataView<ArrayBuffer> {
  const discards = params.maxDiscardBytes > 0 || params.maxWriteZeroesBytes > 0;
  const attrs =
    (params.readOnly ? UBLK_ATTR_READ_ONLY : 0) |
    (params.rotational ? UBLK_ATTR_ROTATIONAL : 0) |
    (params.volatileCache ? UBLK_ATTR_VOLATILE_CACHE : 0) |
    (params.fua && params.volatileCache ? UBLK_ATTR_FUA : 0);
  const more = encodeMore(params);
  return ublk_params.build({
    len: ublk_params.size,
    ...more,
    types:
      more.types |
      UBLK_PARAM_TYPE_BASIC |
      (discards ? UBLK_PARAM_TYPE_DISCARD : 0) |
      (params.dmaAlignmentMask > 0 ? UBLK_PARAM_TYPE_DMA_ALIGN : 0),
    "basic.attrs": attrs,
    "basic.logical_bs_shift": shift(params.blockSize),
    "basic.physical_bs_shift": shift(params.physicalBlockSize),
    "basic.io_opt_shift": shift(params.ioOpt),
    "basic.io_min_shift": shift(params.ioMin),
    "basic.max_sectors": params.maxIoBytes / SECTOR,
    "basic.dev_sectors": params.size / SECTOR,
    "discard.discard_granularity": discards ? params.discardGranularity : 0,
    "discard.max_discard_sectors": params.maxDiscardBytes / SECTOR,
    "discard.max_write_zeroes_sectors": params.maxWriteZeroesBytes / SECTOR,
    "discard.max_discard_segments": params.maxDiscardBytes > 0 ? 1 : 0,
    "dma.alignment": params.dmaAlignmentMask,
  });
}

/** Reads `struct ublk_params` back. */
export function decodeParams(view: DataView): DiskParams {
  const get: ParamsView = (name) => ublk_params.get(view, name);
  const attrs = get("basic.attrs");
  return {
    size: get("basic.dev_sectors") * SECTOR,
    blockSize: 2 ** get("basic.logical_bs_shift"),
    physicalBlockSize: 2 ** get("basic.physical_bs_shift"),
    ioMin: 2 ** get("basic.io_min_shift"),
    ioOpt: 2 ** get("basic.io_opt_shift"),
    maxIoBytes: get("basic.max_sectors") * SECTOR,
    readOnly: (attrs & UBLK_ATTR_READ_ONLY) !== 0,
    rotational: (attrs & UBLK_ATTR_ROTATIONAL) !== 0,
    volatileCache: (attrs & UBLK_ATTR_VOLATILE_CACHE) !== 0,
    fua: (attrs & UBLK_ATTR_FUA) !== 0,
    maxDiscardBytes: get("discard.max_discard_sectors") * SECTOR,
    discardGranularity: get("discard.discard_granularity"),
    maxWriteZeroesBytes: get("discard.max_write_zeroes_sectors") * SECTOR,
    dmaAlignmentMask: get("dma.alignment"),
    ...decodeMore(get),
  };
}
