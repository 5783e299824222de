import type { Zone } from "../../ublk/index.ts";
import type { ZonedPlan } from "./options.ts";
import type { ZoneTable } from "./table.ts";

const EIO = -5;
const EBUSY = -16;
const EOVERFLOW = -75; // too many active zones, to the block layer
const ETOOMANYREFS = -109; // too many open zones

const SECTOR = 512;

// Conditions, in shared memory. Those that are open come last.
const EMPTY = 0;
const FULL = 1;
const CLOSED = 2;
const IMPLICIT = 3;
const EXPLICIT = 4;
const NAMES = ["empty", "full", "closed", "implicit-open", "explicit-open"] as const;

// Words that all zones share, and those of each.
const LOCK = 0;
const OPEN = 1;
const ACTIVE = 2;
const CLOCK = 3;
const COMMON = 4;
const RESERVED = 0; // sectors that writes have been begun for; -1 while the zone is being emptied
const WRITING = 1; // writes under way
const CONDITION = 2;
const EPOCH = 3; // how often it was emptied
const USED = 4; // when it was written last
const PER_ZONE = 5;

/** Memory for the states of so many zones. */
export const stateMemory = (zones: number): SharedArrayBuffer => new SharedArrayBuffer((COMMON + zones * PER_ZONE) * 4);

/** What was written when a flush began, by zone. */
export interface Snapshot {
  readonly written: Int32Array;
  readonly epochs: Int32Array;
}

/** The zones of a disk, and what may be done to them: states that all serving threads share, under one lock, beside the table that stays. */
export class Zones {
  readonly count: number;
  readonly #plan: ZonedPlan;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #table: ZoneTable;
  readonly #capacity: number; // in sectors

  constructor(plan: ZonedPlan, states: SharedArrayBuffer, table: ZoneTable) {
    this.count = plan.size / plan.zoneSize;
    this.#plan = plan;
    this.#words = new Int32Array(states);
    this.#table = table;
    this.#capacity = plan.capacity / SECTOR;
  }

  /** Takes the states from the table: what was open is closed. Once, before any thread serves. */
  load(): void {
    for (let zone = this.#plan.conventional; zone < this.count; zone++) {
      const written = this.#table.live[zone]!;
      this.#words[this.#at(zone) + RESERVED] = written;
      this.#become(zone, written === 0 ? EMPTY : written === this.#capacity ? FULL : CLOSED);
    }
    const { maxActive } = this.#plan;
    const active = this.#words[ACTIVE]!;
    if (maxActive > 0 && active > maxActive)
      throw new RangeError(`zoned: maxActive is ${maxActive}, and '${this.#plan.path}' has ${active} active zones; allow as many`);
  }

  /** Whether a zone is written anywhere. */
  isConventional(zone: number): boolean {
    return zone < this.#plan.conventional;
  }

  /**
   * Begins a write of `count` sectors at sector `at` of a zone; -1: wherever its write pointer is. Answers at which sector it is, or an errno.
   * {@link Zones.written} ends it.
   */
  reserve(zone: number, at: number, count: number): number {
    this.#lock();
    try {
      const word = this.#at(zone);
      const start = this.#words[word + RESERVED]!;
      if (start < 0 || (at >= 0 && at !== start) || start + count > this.#capacity) return EIO;
      const problem = this.#open(zone, IMPLICIT);
      if (problem < 0) return problem;
      this.#words[word + RESERVED] = start + count;
      this.#words[word + WRITING]!++;
      this.#words[word + USED] = this.#words[CLOCK]!++;
      return start;
    } finally {
      this.#unlock();
    }
  }

  /** A write that was begun is over. The write pointer is behind the last one that succeeded; what another one before it wrote is its own affair. */
  written(zone: number, end: number, done: boolean): void {
    this.#lock();
    const word = this.#at(zone);
    const { live } = this.#table;
    if (done && end > live[zone]!) live[zone] = end;
    if (--this.#words[word + WRITING]! === 0) {
      this.#words[word + RESERVED] = live[zone]!;
      if (live[zone] === 0 && this.#words[word + CONDITION] === IMPLICIT) this.#become(zone, EMPTY);
    }
    if (live[zone] === this.#capacity) this.#become(zone, FULL);
    this.#unlock();
  }

  /** Opens a zone explicitly. Answers 0 or an errno, as the following do. */
  open(zone: number): number {
    return this.#change(zone, () => this.#open(zone, EXPLICIT));
  }

  /** Closes a zone, if it is open. */
  close(zone: number): number {
    return this.#change(zone, () => {
      if (this.#words[this.#at(zone) + CONDITION]! >= IMPLICIT) this.#become(zone, this.#table.live[zone] === 0 ? EMPTY : CLOSED);
      return 0;
    });
  }

  /** Makes a zone full. */
  finish(zone: number): number {
    return this.#change(zone, (word) => {
      if (this.#isBusy(zone)) return EBUSY;
      this.#words[word + RESERVED] = this.#table.live[zone] = this.#capacity;
      this.#become(zone, FULL);
      return 0;
    });
  }

  /** Begins to empty zones: they take no writes until {@link Zones.emptied}. All of them, or none. */
  empty(first: number, end: number): number {
    const { live, durable } = this.#table;
    return this.#change(first, () => {
      for (let zone = first; zone < end; zone++) if (this.#isBusy(zone)) return EBUSY;
      for (let zone = first; zone < end; zone++) {
        const word = this.#at(zone);
        this.#words[word + EPOCH]!++;
        this.#words[word + RESERVED] = -1;
        live[zone] = durable[zone] = 0;
        this.#become(zone, EMPTY);
      }
      return 0;
    });
  }

  /** What was in zones is given up: they take writes again. */
  emptied(first: number, end: number): void {
    for (let zone = first; zone < end; zone++) this.#words[this.#at(zone) + RESERVED] = 0;
  }

  /** The zones from `first` on. */
  report(first: number, most: number): Zone[] {
    const { capacity, zoneSize } = this.#plan;
    const zones: Zone[] = [];
    this.#lock();
    for (let zone = first; zone < Math.min(this.count, first + most); zone++) {
      const start = zone * zoneSize;
      const condition = NAMES[this.#words[this.#at(zone) + CONDITION]!]!;
      const writePointer = start + this.#table.live[zone]! * SECTOR;
      zones.push(this.isConventional(zone) ? { start, conventional: true } : { start, capacity, writePointer, condition });
    }
    this.#unlock();
    return zones;
  }

  /** What is written by now, for a flush to make durable. */
  snapshot(): Snapshot {
    this.#lock();
    const epochs = Int32Array.from({ length: this.count }, (_, zone) => this.#words[this.#at(zone) + EPOCH]!);
    const snapshot = { written: this.#table.live.slice(), epochs };
    this.#unlock();
    return snapshot;
  }

  /** It is durable, but for zones that were emptied since. */
  settle({ written, epochs }: Snapshot): void {
    const { durable } = this.#table;
    this.#lock();
    for (let zone = 0; zone < this.count; zone++)
      if (this.#words[this.#at(zone) + EPOCH] === epochs[zone] && written[zone]! > durable[zone]!) durable[zone] = written[zone]!;
    this.#unlock();
  }

  #isBusy(zone: number): boolean {
    const word = this.#at(zone);
    return this.#words[word + WRITING]! > 0 || this.#words[word + RESERVED]! < 0;
  }

  #change(zone: number, change: (word: number) => number): number {
    if (this.isConventional(zone)) return EIO;
    this.#lock();
    try {
      return change(this.#at(zone));
    } finally {
      this.#unlock();
    }
  }

  // Within the limits: a zone that was opened by a write makes room for another.
  #open(zone: number, how: number): number {
    const { maxActive, maxOpen } = this.#plan;
    const condition = this.#words[this.#at(zone) + CONDITION]!;
    if (condition === FULL) return EIO;
    if (condition >= IMPLICIT) {
      if (how > condition) this.#become(zone, how);
      return 0;
    }
    if (condition === EMPTY && maxActive > 0 && this.#words[ACTIVE]! >= maxActive) return EOVERFLOW;
    if (maxOpen > 0 && this.#words[OPEN]! >= maxOpen && !this.#closeOne()) return ETOOMANYREFS;
    this.#become(zone, how);
    return 0;
  }

  #closeOne(): boolean {
    let oldest = -1;
    for (let zone = this.#plan.conventional; zone < this.count; zone++) {
      const word = this.#at(zone);
      if (this.#words[word + CONDITION] !== IMPLICIT || this.#words[word + WRITING]! > 0) continue;
      if (oldest < 0 || this.#words[word + USED]! < this.#words[this.#at(oldest) + USED]!) oldest = zone;
    }
    if (oldest >= 0) this.#become(oldest, this.#table.live[oldest] === 0 ? EMPTY : CLOSED);
    return oldest >= 0;
  }

  #become(zone: number, condition: number): void {
    const word = this.#at(zone) + CONDITION;
    const before = this.#words[word]!;
    const [isOpen, isActive] = [(c: number): number => Number(c >= IMPLICIT), (c: number): number => Number(c >= CLOSED)];
    this.#words[OPEN]! += isOpen(condition) - isOpen(before);
    this.#words[ACTIVE]! += isActive(condition) - isActive(before);
    this.#words[word] = condition;
  }

  #at(zone: number): number {
    return COMMON + zone * PER_ZONE;
  }

  // Held for some microseconds at a time.
  #lock(): void {
    while (Atomics.compareExchange(this.#words, LOCK, 0, 1) !== 0) Atomics.wait(this.#words, LOCK, 1, 1);
  }

  #unlock(): void {
    Atomics.store(this.#words, LOCK, 0);
    Atomics.notify(this.#words, LOCK, 1);
  }
}
