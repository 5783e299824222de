import {
  BLK_ZONE_COND_CLOSED,
  BLK_ZONE_COND_EMPTY,
  BLK_ZONE_COND_EXP_OPEN,
  BLK_ZONE_COND_FULL,
  BLK_ZONE_COND_IMP_OPEN,
  BLK_ZONE_COND_NOT_WP,
  BLK_ZONE_COND_OFFLINE,
  BLK_ZONE_COND_READONLY,
  BLK_ZONE_TYPE_CONVENTIONAL,
  BLK_ZONE_TYPE_SEQWRITE_REQ,
} from "./abi.ts";
import { blk_zone } from "./structs.ts";

const SECTOR = 512;

/** Conditions of a zone that has a write pointer, by name and as `enum blk_zone_cond`. */
const CONDITIONS = {
  empty: BLK_ZONE_COND_EMPTY,
  "implicit-open": BLK_ZONE_COND_IMP_OPEN,
  "explicit-open": BLK_ZONE_COND_EXP_OPEN,
  closed: BLK_ZONE_COND_CLOSED,
  full: BLK_ZONE_COND_FULL,
  "read-only": BLK_ZONE_COND_READONLY,
  offline: BLK_ZONE_COND_OFFLINE,
} as const;

/** The condition of a zone: where it is between empty and full. */
export type ZoneCondition = keyof typeof CONDITIONS;

/**
 * A zone, as a zoned disk reports it ({@link ZoneMethods.reportZones}, `struct blk_zone`). All in bytes. Its length is the disk's `zoneSize`.
 * A conventional zone is written anywhere, and has neither write pointer nor condition.
 */
export type Zone =
  | {
      /** Where it starts on the disk. */
      readonly start: number;
      /** Bytes from its start that can be written; default the zone size. */
      readonly capacity?: number;
      /** Where the next write must start, on the disk. Of a full zone nobody asks. */
      readonly writePointer: number;
      readonly condition: ZoneCondition;
      readonly conventional?: false;
    }
  | { readonly start: number; readonly conventional: true };

const problem = (what: string): never => {
  throw new TypeError(`reportZones: ${what}`);
};

function check(zone: Zone, at: number, start: number, zoneSize: number): void {
  if (zone?.start !== start) problem(`zone ${at} of the report starts at ${zone?.start}; it must start at ${start}`);
  if (zone.conventional === true) return;
  const { capacity = zoneSize, condition, writePointer } = zone;
  if (!Object.hasOwn(CONDITIONS, condition))
    problem(`the zone at ${start} has condition '${condition}'; it must be one of ${Object.keys(CONDITIONS).join(", ")}`);
  if (!(capacity > 0 && capacity <= zoneSize && capacity % SECTOR === 0))
    problem(`the zone at ${start} has a capacity of ${capacity}; it must be whole sectors up to the zone size (${zoneSize})`);
  if (!(writePointer >= start && writePointer <= start + zoneSize && writePointer % SECTOR === 0))
    problem(`the zone at ${start} has its write pointer at ${writePointer}; it must lie in the zone, on a sector`);
}

/**
 * Encodes a report: `struct blk_zone`, one behind the other. The first zone must start at `first`, and there must be one at least, `most` at
 * most: the kernel asks for the rest, and for an empty report it would ask for ever.
 */
export function encodeZones(zones: readonly Zone[], first: number, most: number, zoneSize: number): Uint8Array<ArrayBuffer> {
  if (!Array.isArray(zones) || zones.length === 0) problem("the report is empty; it must have the zone that was asked for, and may go on");
  const count = Math.min(zones.length, most);
  const view = new DataView(new ArrayBuffer(count * blk_zone.size));
  for (let at = 0; at < count; at++) {
    const zone = zones[at]!;
    const start = first + at * zoneSize;
    check(zone, at, start, zoneSize);
    encode(view, at * blk_zone.size, zone, zoneSize);
  }
  return new Uint8Array(view.buffer);
}

function encode(view: DataView<ArrayBuffer>, base: number, zone: Zone, zoneSize: number): void {
  const set = (name: "start" | "len" | "wp" | "type" | "cond" | "capacity", value: number): void => blk_zone.set(view, name, value, base);
  set("start", zone.start / SECTOR);
  set("len", zoneSize / SECTOR);
  if (zone.conventional === true) {
    set("wp", zone.start / SECTOR);
    set("type", BLK_ZONE_TYPE_CONVENTIONAL);
    set("cond", BLK_ZONE_COND_NOT_WP);
    set("capacity", zoneSize / SECTOR);
  } else {
    set("wp", zone.writePointer / SECTOR);
    set("type", BLK_ZONE_TYPE_SEQWRITE_REQ);
    set("cond", CONDITIONS[zone.condition]);
    set("capacity", (zone.capacity ?? zoneSize) / SECTOR);
  }
}
