import { Arena } from "../../ffi/index.ts";

const PAGE = 4096;
const MAGIC = 0x656e6f7a; // "zone"
const VERSION = 1;
const BOOT = 64; // where the boot's id is, in the header
const BOOT_BYTES = 36;

/** What a table is of: as the header says it. */
export interface TableShape {
  readonly size: number;
  readonly zoneSize: number;
  readonly capacity: number;
  readonly conventional: number;
  readonly blockSize: number;
}

const FIELDS = ["size", "zoneSize", "capacity", "conventional", "blockSize"] as const satisfies readonly (keyof TableShape)[];

const roundUp = (bytes: number): number => Math.ceil(bytes / PAGE) * PAGE;

/** Bytes of the file that the table is in. */
export const tableBytes = (zones: number): number => PAGE + 2 * roundUp(zones * 4);

/**
 * The write pointers of a zoned disk, in a file that every serving thread maps. In sectors from the zone's start; a zone is empty at 0, and full
 * at its capacity, so one word says all of it, and is never half written.
 *
 * There are two of each. `live` is as the clients see it, written when a write is done: the page cache keeps it when the process is killed.
 * `durable` tells only of data that is on the disk for good, and is written between two syncs: after a power failure it is what counts, for the
 * system may have written a page of `live` before the data that it tells of. The id of the boot, in the header, tells which was the case.
 */
export class ZoneTable {
  readonly live: Int32Array<ArrayBuffer>;
  readonly durable: Int32Array<ArrayBuffer>;
  readonly #arena: Arena;

  constructor(fd: number, zones: number) {
    this.#arena = Arena.map(fd, 0, tableBytes(zones));
    this.live = this.#arena.words(PAGE, zones);
    this.durable = this.#arena.words(PAGE + roundUp(zones * 4), zones);
  }

  /** What it is of; undefined where it was never written. */
  get shape(): TableShape | undefined {
    const view = this.#arena.view(0, PAGE);
    if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== VERSION) return undefined;
    const entries = FIELDS.map((name, i) => [name, Number(view.getBigUint64(8 + i * 8, true))]);
    return Object.fromEntries(entries) as unknown as TableShape;
  }

  /** The boot that `live` is of. */
  get boot(): string {
    return new TextDecoder().decode(this.#arena.bytes(BOOT, BOOT_BYTES).slice());
  }

  set boot(id: string) {
    this.#arena.bytes(BOOT, BOOT_BYTES).set(new TextEncoder().encode(id).subarray(0, BOOT_BYTES));
  }

  /** Says what it is of: it counts from now on. */
  describe(shape: TableShape): void {
    const view = this.#arena.view(0, PAGE);
    for (const [i, name] of FIELDS.entries()) view.setBigUint64(8 + i * 8, BigInt(shape[name]), true);
    view.setUint32(4, VERSION, true);
    view.setUint32(0, MAGIC, true);
  }

  /** Unmaps it. */
  dispose(): void {
    this.#arena.dispose();
  }
}
