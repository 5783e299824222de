import { parseSize, type Size } from "../../ublk/index.ts";
import { checkInteger, checkKnown, show } from "../../uring/options.ts";

/** Options of the zoned disk. */
export interface ZonedOptions {
  /** Capacity, in whole zones. */
  size: Size;
  /** Bytes in a zone: a power of two from 64 KiB to 512 GiB; default 4 MiB. */
  zoneSize?: Size;
  /** Bytes of a zone that can be written; default all of it. */
  zoneCapacity?: Size;
  /** So many zones at the start are conventional: written anywhere. Default 0. */
  conventional?: number;
  /** Zones that may be open at once; default 0, no limit. */
  maxOpen?: number;
  /** Zones that may be active (open or closed) at once; default 0, no limit. */
  maxActive?: number;
  /** Logical block; default 4096. */
  blockSize?: Size;
  /**
   * A file that holds the data, made where there is none; where its zones are is written to a file beside it, with `.zones` behind the name.
   * Left out: the disk is in memory.
   */
  path?: string;
}

/** The same with every default in place, in bytes. */
export interface ZonedPlan {
  readonly size: number;
  readonly zoneSize: number;
  readonly capacity: number;
  readonly conventional: number;
  readonly maxOpen: number;
  readonly maxActive: number;
  readonly blockSize: number;
  readonly path: string | undefined;
}

const NAMES = ["size", "zoneSize", "zoneCapacity", "conventional", "maxOpen", "maxActive", "blockSize", "path"] as const;
const LEAST = 65536;
const MOST = 2 ** 39;

/** Checks the options before anything is opened. */
export function checkZonedOptions(options: ZonedOptions): ZonedPlan {
  checkKnown("zoned", options ?? {}, NAMES);
  if (options?.size === undefined) throw new TypeError('zoned: size is missing; give bytes or text such as "1 GiB"');
  const bytes = (name: "zoneSize" | "zoneCapacity" | "blockSize", standard: number): number =>
    options[name] === undefined ? standard : parseSize(options[name], `zoned: ${name}`);
  const size = parseSize(options.size, "zoned: size");
  const zoneSize = bytes("zoneSize", 4 * 2 ** 20);
  if (zoneSize < LEAST || zoneSize > MOST || !Number.isInteger(Math.log2(zoneSize)))
    throw new RangeError(`zoned: zoneSize is ${zoneSize} bytes; it must be a power of two from 64 KiB to 512 GiB`);
  if (size === 0 || size % zoneSize !== 0) throw new RangeError(`zoned: size is ${size} bytes; it must be whole zones of ${zoneSize}`);
  const blockSize = bytes("blockSize", 4096);
  if (![512, 1024, 2048, 4096].includes(blockSize))
    throw new RangeError(`zoned: blockSize is ${blockSize}; it must be 512, 1024, 2048 or 4096`);
  const capacity = bytes("zoneCapacity", zoneSize);
  if (capacity === 0 || capacity > zoneSize || capacity % blockSize !== 0)
    throw new RangeError(`zoned: zoneCapacity is ${capacity} bytes; it must be whole blocks, up to the zone size (${zoneSize})`);
  const zones = size / zoneSize;
  const count = (name: "conventional" | "maxOpen" | "maxActive", most: number): number =>
    options[name] === undefined ? 0 : checkInteger("zoned", name, options[name], 0, most, `the disk has ${zones} zones`);
  const conventional = count("conventional", zones - 1);
  const [maxOpen, maxActive] = [count("maxOpen", zones), count("maxActive", zones)];
  if (maxActive > 0 && maxOpen > maxActive)
    throw new RangeError(`zoned: maxOpen is ${maxOpen}, more than maxActive (${maxActive}); an open zone is active`);
  const { path } = options;
  if (path !== undefined && (typeof path !== "string" || path === ""))
    throw new TypeError(`zoned: path is ${show(path)}; it must be the path of a file, or left out for a disk in memory`);
  return { size, zoneSize, capacity, conventional, maxOpen, maxActive, blockSize, path };
}
