import { Op, type RequestTarget, type UblkQueue, type UblkRequest } from "../../ublk/index.ts";
import { FileWork, GOES_ON } from "../files/work.ts";
import { Zeros } from "../files/zeros.ts";
import { Health } from "./health.ts";
import type { MirrorShared } from "./open.ts";
import { ReadBalance } from "./reads.ts";

const EIO = -5;
const EOPNOTSUPP = -95;
const ECANCELED = -125;

/**
 * Serves requests from several files that hold the same. A READ is one leg's, and another's if that fails. Everything else goes to all legs
 * that have not failed, side by side, and ends when all are through.
 *
 * What holds at all times: a leg that has not failed has every write that was acknowledged. So a leg that missed one has failed before the
 * write is acknowledged, for all threads; and the set is looked at whenever anything is begun on a leg.
 */
export class MirrorRequests implements RequestTarget {
  readonly ops: { flush: boolean; discard: boolean; writeZeroes: boolean };
  private readonly legs: readonly FileWork[];
  private readonly health: Health;
  private readonly running: Uint8Array; // legs that a request still works on, by tag
  private readonly missed: Uint8Array; // bits: legs that failed it; of a READ, those that were tried
  private readonly errnos: Int32Array; // by tag and leg: how
  readonly #reads: ReadBalance;
  readonly #queue: UblkQueue;
  readonly #watched: boolean;
  readonly #zeros = new Zeros();

  constructor(queue: UblkQueue, shared: MirrorShared) {
    const { depth } = queue.spec;
    const { files, paths, health, watched, discard } = shared;
    this.#queue = queue;
    this.#watched = watched;
    this.#reads = new ReadBalance(files.length);
    this.health = new Health(health, paths);
    this.legs = files.map((file, i) => new FileWork(queue, file, i, shared, this.#zeros));
    this.running = new Uint8Array(depth);
    this.missed = new Uint8Array(depth);
    this.errnos = new Int32Array(depth * files.length);
    this.ops = { flush: true, discard, writeZeroes: true };
  }

  handle(request: UblkRequest): void {
    this.missed[request.tag] = 0;
    switch (request.op) {
      case Op.READ:
        this.readSomewhere(request);
        break;
      case Op.WRITE:
      case Op.FLUSH:
      case Op.DISCARD:
      case Op.WRITE_ZEROES:
        this.change(request);
        break;
      default:
        request.fail(EOPNOTSUPP);
    }
  }

  completed(request: UblkRequest, result: number, member: number): void {
    if (request.op === Op.READ) this.wasRead(request, result, member);
    else this.wasChanged(request, result, member);
  }

  detach(): void {
    this.#zeros.free(this.#queue.abandoned);
  }

  // ---- READ

  private readSomewhere(request: UblkRequest): void {
    const { tag, offset, length } = request;
    const leg = this.#reads.choose(offset, length, this.missed[tag]! | this.health.failed);
    if (leg < 0) request.fail(EIO);
    else this.legs[leg]!.begin(request, offset, length);
  }

  private wasRead(request: UblkRequest, result: number, leg: number): void {
    const { tag, length } = request;
    // A leg that has failed meanwhile is not asked for the rest.
    const stale = result !== length && ((this.health.failed >> leg) & 1) === 1;
    const end = stale ? EIO : this.legs[leg]!.completed(request, result);
    if (end === 0) request.complete();
    else if (end === ECANCELED) request.fail(EIO);
    else if (end < 0) {
      this.missed[tag]! |= 1 << leg;
      this.readSomewhere(request);
    }
  }

  // ---- everything else

  private change(request: UblkRequest): void {
    const { tag, offset, length } = request;
    const { failed } = this.health;
    let running = 0;
    for (let leg = 0; leg < this.legs.length; leg++) {
      if (((failed >> leg) & 1) === 0 && this.legs[leg]!.begin(request, offset, length) === GOES_ON) running++;
    }
    this.running[tag] = running;
    if (running === 0) request.complete(); // a discard that no leg can follow
  }

  private wasChanged(request: UblkRequest, result: number, leg: number): void {
    const { tag } = request;
    const end = this.legs[leg]!.completed(request, result);
    if (end === GOES_ON) return;
    if (end < 0) {
      this.missed[tag]! |= 1 << leg;
      this.errnos[tag * this.legs.length + leg] = end;
    }
    this.running[tag]!--;
    if (this.running[tag]! > 0) return;
    if (this.missed[tag] === 0) request.complete();
    else this.#wasMissed(request);
  }

  // The order matters: once the request is complete, whoever waited for it may read, from any leg that has not failed.
  #wasMissed(request: UblkRequest): void {
    const { tag } = request;
    const news: number[] = [];
    let whole = true; // every leg that has not failed has it
    for (let leg = 0; leg < this.legs.length; leg++) {
      if (((this.missed[tag]! >> leg) & 1) === 0) continue;
      const errno = this.errnos[tag * this.legs.length + leg]!;
      // Cancelled: the disk stops and does not wait. Nobody is told that it is written, so no leg is behind.
      const verdict = errno === ECANCELED ? "last" : this.health.fail(leg, errno);
      if (verdict === "last") whole = false;
      if (verdict === "now") news.push(leg);
    }
    if (whole) request.complete();
    else request.fail(EIO);
    if (!this.#watched && news.length > 0) this.#report(news);
  }

  // What is thrown when the request is over changes nothing about it: it is told as the disk's `requesterror`.
  #report(news: readonly number[]): never {
    const errors = news.map((leg) => this.health.describe(leg).error);
    throw errors.length === 1 ? errors[0] : new AggregateError(errors, errors.map(({ message }) => message).join("; "));
  }
}
