import { Op, type RequestTarget, type UblkQueue, type UblkRequest } from "../../ublk/index.ts";
import { FileWork, GOES_ON } from "../files/work.ts";
import { Zeros } from "../files/zeros.ts";
import type { ZonedPlan } from "./options.ts";
import type { ZonedShared } from "./store.ts";
import { ZoneTable } from "./table.ts";
import { type Snapshot, Zones } from "./zones.ts";

const SECTOR = 512;
const EIO = -5;

/** What a request's operation in flight is for. */
const MOVES = 0; // a READ, or a WRITE to a conventional zone
const WRITES = 1; // to a zone with a write pointer
const SYNCS = 2; // the data, before the table tells of it
const NOTES = 3; // the table, when nothing more is to be done
const FORGETS = 4; // the table, before the data of an emptied zone is given up
const EMPTIES = 5; // the data of it

/**
 * Serves a zoned disk from a file, or memory that looks like one, with operations of the ring, one at a time for each request. What must be
 * durable is so in this order: data before the table that tells of it, and the table before data is given up.
 */
export class ZonedRequests implements RequestTarget {
  readonly ops = { flush: true, zones: true };
  readonly #plan: ZonedPlan;
  readonly #table: ZoneTable;
  readonly #zones: Zones;
  readonly #queue: UblkQueue;
  readonly #data: FileWork;
  readonly #tableFile: FileWork;
  readonly #zeros = new Zeros();
  readonly #kept: boolean; // in files
  readonly #steps: Uint8Array; // by tag, as the following
  readonly #ends: Float64Array;
  readonly #snapshots: (Snapshot | undefined)[];

  constructor(queue: UblkQueue, { plan, fd, tableFd, states }: ZonedShared) {
    this.#plan = plan;
    this.#queue = queue;
    this.#table = new ZoneTable(tableFd, plan.size / plan.zoneSize);
    this.#zones = new Zones(plan, states, this.#table);
    const file = (path: string, of: number): FileWork =>
      new FileWork(queue, { path, fd: of, direct: false, device: false }, 0, plan, this.#zeros);
    this.#data = file("data", fd);
    this.#tableFile = file("zones", tableFd);
    this.#kept = plan.path !== undefined;
    this.#steps = new Uint8Array(queue.spec.depth);
    this.#ends = new Float64Array(queue.spec.depth);
    this.#snapshots = new Array<Snapshot | undefined>(queue.spec.depth).fill(undefined);
  }

  handle(request: UblkRequest): void {
    const { offset, op } = request;
    switch (op) {
      case Op.READ:
        this.#move(request, offset, MOVES);
        break;
      case Op.WRITE:
      case Op.ZONE_APPEND:
        this.#write(request, offset, op === Op.ZONE_APPEND);
        break;
      case Op.FLUSH:
        this.#flush(request);
        break;
      case Op.REPORT_ZONES:
        request.reportZones(this.#zones.report(this.#zoneAt(offset), request.zones));
        request.complete();
        break;
      case Op.ZONE_RESET:
      case Op.ZONE_RESET_ALL:
        this.#empty(request);
        break;
      default:
        this.#manage(request, this.#zoneAt(offset));
    }
  }

  completed(request: UblkRequest, result: number): void {
    const { tag } = request;
    const file = this.#steps[tag] === NOTES || this.#steps[tag] === FORGETS ? this.#tableFile : this.#data;
    const ended = file.completed(request, result);
    if (ended !== GOES_ON) this.#ended(request, ended);
  }

  detach(): void {
    this.#zeros.free(this.#queue.abandoned);
    this.#table.dispose();
  }

  #zoneAt(offset: number): number {
    return Math.floor(offset / this.#plan.zoneSize);
  }

  #move(request: UblkRequest, from: number, step: number): void {
    this.#steps[request.tag] = step;
    this.#data.begin(request, from, request.length);
  }

  #write(request: UblkRequest, offset: number, append: boolean): void {
    const zone = this.#zoneAt(offset);
    if (!this.#zones.isConventional(zone)) this.#writeNext(request, zone, append ? -1 : offset);
    else if (append) request.fail(EIO);
    else this.#move(request, offset, MOVES);
  }

  // At the write pointer. `offset`: where the client takes that to be; -1: it does not say.
  #writeNext(request: UblkRequest, zone: number, offset: number): void {
    const { length, tag } = request;
    const first = zone * this.#plan.zoneSize;
    const start = this.#zones.reserve(zone, offset < 0 ? -1 : (offset - first) / SECTOR, length / SECTOR);
    if (start < 0) {
      request.fail(start);
      return;
    }
    this.#ends[tag] = start + length / SECTOR;
    const place = first + start * SECTOR;
    if (offset < 0) request.placeAt(place);
    this.#move(request, place, WRITES);
  }

  #manage(request: UblkRequest, zone: number): void {
    const zones = this.#zones;
    const { op } = request;
    const result = op === Op.ZONE_OPEN ? zones.open(zone) : op === Op.ZONE_CLOSE ? zones.close(zone) : zones.finish(zone);
    if (result < 0) request.fail(result);
    else if (op === Op.ZONE_FINISH) this.#flush(request);
    else request.complete();
  }

  #flush(request: UblkRequest): void {
    if (!this.#kept) {
      request.complete();
      return;
    }
    this.#snapshots[request.tag] = this.#zones.snapshot();
    this.#steps[request.tag] = SYNCS;
    this.#data.sync(request);
  }

  #empty(request: UblkRequest): void {
    const { from, to } = this.#emptiedBy(request);
    const result = this.#zones.empty(from, to);
    if (result < 0) request.fail(result);
    else if (this.#kept) {
      this.#steps[request.tag] = FORGETS;
      this.#tableFile.sync(request);
    } else this.#giveUp(request);
  }

  #giveUp(request: UblkRequest): void {
    const { from, to } = this.#emptiedBy(request);
    this.#steps[request.tag] = EMPTIES;
    this.#data.zeroRange(request, from * this.#plan.zoneSize, (to - from) * this.#plan.zoneSize);
  }

  #emptiedBy({ offset, op }: UblkRequest): { from: number; to: number } {
    if (op === Op.ZONE_RESET_ALL) return { from: this.#plan.conventional, to: this.#zones.count };
    return { from: this.#zoneAt(offset), to: this.#zoneAt(offset) + 1 };
  }

  // An operation is over: the next one, or the request's end.
  #ended(request: UblkRequest, result: number): void {
    const step = this.#steps[request.tag];
    if (step === WRITES) this.#zones.written(this.#zoneAt(request.offset), this.#ends[request.tag]!, result >= 0);
    if (result < 0 || !this.#goesOn(request, step)) this.#end(request, result, step);
  }

  #goesOn(request: UblkRequest, step: number | undefined): boolean {
    if (step === FORGETS) this.#giveUp(request);
    if (step !== SYNCS) return step === FORGETS;
    this.#zones.settle(this.#snapshots[request.tag]!);
    this.#steps[request.tag] = NOTES;
    this.#tableFile.sync(request);
    return true;
  }

  #end(request: UblkRequest, result: number, step: number | undefined): void {
    if (step === EMPTIES || step === FORGETS) {
      const { from, to } = this.#emptiedBy(request);
      this.#zones.emptied(from, to);
    }
    this.#snapshots[request.tag] = undefined;
    if (result < 0) request.fail(result);
    else request.complete();
  }
}
