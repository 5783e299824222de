import { Op } from "./op.ts";
import type { QueueSpec } from "./queue-spec.ts";
import type { UserCopies } from "./user-copies.ts";
import { encodeZones, type Zone } from "./zones.ts";

const EIO = -5;
const SECTOR = 512;

/**
 * What requests of a zoned queue answer beside a result: a ZONE_APPEND where its data went, a REPORT_ZONES the zones. One that is completed
 * without has failed: the kernel would take sector 0 for the place, and ask for a report that is empty for ever.
 */
export class ZoneAnswers {
  /** Writes the place of an append into a tag's commit, in sectors; 0 takes it out again. */
  place: (tag: number, sector: number) => void = () => {};
  readonly #results: Int32Array; // by tag: the result that goes with the answer; EIO while there is none
  readonly #zoneSize: number;
  readonly #blockSize: number;
  readonly #copies: UserCopies | undefined;

  constructor({ blockSize, depth, zoneSize }: QueueSpec, copies: UserCopies | undefined) {
    this.#results = new Int32Array(depth);
    this.#zoneSize = zoneSize;
    this.#blockSize = blockSize;
    this.#copies = copies;
  }

  /** A request has arrived on a tag: nothing is answered yet. */
  begin(tag: number): void {
    if (this.#results[tag]! > 0) this.place(tag, 0);
    this.#results[tag] = EIO;
  }

  /** The data of a ZONE_APPEND of `length` bytes, to the zone at `zone`, lies at `offset`. */
  placeAt(tag: number, zone: number, length: number, offset: number): void {
    if (!(offset >= zone && offset + length <= zone + this.#zoneSize && offset % this.#blockSize === 0))
      throw new RangeError(`placeAt: ${offset} is no place for ${length} bytes in the zone at ${zone}; it must be on a block, in the zone`);
    this.place(tag, offset / SECTOR);
    this.#results[tag] = length;
  }

  /** Copies a report of at most `most` zones from `first` on to the kernel. */
  report(tag: number, first: number, most: number, zones: readonly Zone[]): void {
    const bytes = encodeZones(zones, first, most, this.#zoneSize);
    this.#results[tag] = this.#copies!.giveReport(tag, bytes);
  }

  /** What a request that is done has for its result. */
  resultOf(tag: number, op: number): number {
    return op === Op.ZONE_APPEND || op === Op.REPORT_ZONES ? this.#results[tag]! : 0;
  }

  /** Says of a request that was completed without its answer what is missing. */
  lacks(tag: number, op: number): TypeError | undefined {
    if (this.resultOf(tag, op) >= 0) return undefined;
    const what = op === Op.ZONE_APPEND ? "a place: request.placeAt(offset)" : "its zones: request.reportZones(zones)";
    return new TypeError(`the request was completed without ${what} comes first`);
  }
}
