import { Op, type UblkQueue, type UblkRequest } from "../../ublk/index.ts";
import { abi, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE, type RawRing } from "../../uring/index.ts";
import type { FilesShared, ServedFile } from "./measure.ts";
import type { Zeros } from "./zeros.ts";

const RWF_DSYNC = 2;
const EINTR = -4;
const EIO = -5;
const EAGAIN = -11;
const EINVAL = -22;
const ENOTTY = -25;
const ENOSYS = -38;
const EOPNOTSUPP = -95;
/** How often one request repeats an operation that was interrupted. */
const RETRIES = 16;
/** `linux/blkdev.h`: the BLKDISCARD of io_uring, since 6.12. */
const BLOCK_URING_CMD_DISCARD = 0x1200;

const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const ZERO = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;

/** What a request's operation in flight is. */
const MOVE = 0; // READ or WRITE
const SYNC = 1;
const DISCARD_DEVICE = 2;
const DISCARD_PUNCH = 3;
const ZERO_PUNCH = 4;
const ZERO_RANGE = 5;
const ZERO_WRITE = 6;

/** An operation is in flight: `completed` will hear of it. */
export const GOES_ON = 1;

const unsupported = (result: number): boolean => result === EOPNOTSUPP || result === ENOSYS || result === ENOTTY || result === EINVAL;

/**
 * What the requests of a queue do to one file, each with one operation of the ring at a time. The state of a request is a few numbers in
 * arrays by tag: nothing is allocated for it.
 */
export class FileWork {
  protected readonly fd: number;
  protected readonly member: number;
  private readonly raw: RawRing;
  private readonly direct: boolean;
  private readonly blockSize: number;
  private readonly zeros: Zeros;
  private readonly step: Uint8Array;
  private readonly retries: Uint8Array;
  private readonly from: Float64Array; // first byte in the file
  private readonly length: Float64Array;
  private readonly done: Float64Array; // bytes of the length that are done
  // What the file turned out not to do is not asked again.
  private canDiscardDevice: boolean;
  private canPunch = true;
  private canZeroRange = true;

  /** `member`: which of a request's operations is this file's. */
  constructor(queue: UblkQueue, file: ServedFile, member: number, { blockSize }: Pick<FilesShared, "blockSize">, zeros: Zeros) {
    const { depth } = queue.spec;
    this.fd = file.fd;
    this.member = member;
    this.raw = queue.raw;
    this.direct = file.direct;
    this.blockSize = blockSize;
    this.zeros = zeros;
    this.step = new Uint8Array(depth);
    this.retries = new Uint8Array(depth);
    this.from = new Float64Array(depth);
    this.length = new Float64Array(depth);
    this.done = new Float64Array(depth);
    this.canDiscardDevice = file.device;
  }

  /** Begins what a request asks for, on a range of the file. Answers {@link GOES_ON}, or how it ended: 0, or a negative errno. */
  begin(request: UblkRequest, from: number, length: number): number {
    this.take(request.tag, from, length);
    switch (request.op) {
      case Op.READ:
      case Op.WRITE:
      case Op.ZONE_APPEND:
        return this.start(request, MOVE);
      case Op.FLUSH:
        return this.start(request, SYNC);
      case Op.DISCARD:
        return this.discard(request);
      case Op.WRITE_ZEROES:
        return this.zero(request, request.noUnmap ? ZERO_RANGE : ZERO_PUNCH);
      default:
        return EOPNOTSUPP;
    }
  }

  /** Makes the file's data durable, whatever the request asks for. */
  sync(request: UblkRequest): void {
    this.take(request.tag, 0, 0);
    this.start(request, SYNC);
  }

  /** Gives a range of the file back, which reads as zeros then, whatever the request asks for. */
  zeroRange(request: UblkRequest, from: number, length: number): void {
    this.take(request.tag, from, length);
    this.zero(request, ZERO_PUNCH);
  }

  /** The request's operation on this file completed. Answers as {@link FileWork.begin} does. */
  completed(request: UblkRequest, result: number): number {
    const { tag } = request;
    const step = this.step[tag]!;
    if ((result === EINTR || result === EAGAIN) && this.retries[tag]!++ < RETRIES) return this.start(request, step);
    if (step === MOVE || step === ZERO_WRITE) return this.moved(request, result);
    if (step !== SYNC && unsupported(result)) return this.fallBack(request, step);
    if (result < 0 || step === SYNC) return result;
    return this.ended(request);
  }

  /** Moves the data of a READ or WRITE from the byte `done` of its range on: all of it, or as much as one operation can. */
  protected move(request: UblkRequest, from: number, done: number, left: number): void {
    this.moveRange(request, from + done, done, left);
  }

  /** Moves one range of the request's data, from its byte `at` on. */
  protected moveRange(request: UblkRequest, position: number, at: number, length: number): void {
    if (request.op === Op.READ) request.readFrom(this.fd, position, at, length, this.member);
    else request.writeTo(this.fd, position, this.flagsOf(request), at, length, this.member);
  }

  /** The flags that a WRITE takes along: its FUA is in the operation itself. */
  protected flagsOf(request: UblkRequest): number {
    return request.fua ? RWF_DSYNC : 0;
  }

  private take(tag: number, from: number, length: number): void {
    this.from[tag] = from;
    this.length[tag] = length;
    this.done[tag] = 0;
    this.retries[tag] = 0;
  }

  private discard(request: UblkRequest): number {
    if (this.canDiscardDevice) return this.start(request, DISCARD_DEVICE);
    // A discard is advice: a file that cannot follow it has done nothing wrong.
    return this.canPunch ? this.start(request, DISCARD_PUNCH) : 0;
  }

  private zero(request: UblkRequest, wanted: number): number {
    let step = wanted;
    if (step === ZERO_PUNCH && !this.canPunch) step = ZERO_RANGE;
    if (step === ZERO_RANGE && !this.canZeroRange) step = ZERO_WRITE;
    return this.start(request, step);
  }

  // The file cannot do it that way: another way, and from now on at once.
  private fallBack(request: UblkRequest, step: number): number {
    switch (step) {
      case DISCARD_DEVICE:
        this.canDiscardDevice = false;
        return this.discard(request);
      case DISCARD_PUNCH:
        this.canPunch = false;
        return 0;
      case ZERO_PUNCH:
        this.canPunch = false;
        return this.zero(request, ZERO_RANGE);
      default:
        this.canZeroRange = false;
        return this.zero(request, ZERO_WRITE);
    }
  }

  private moved(request: UblkRequest, result: number): number {
    const { tag } = request;
    // The end of the file inside the disk, or a write that stands still: the block layer must hear of an error, never of 0 bytes.
    if (result <= 0) return result === 0 ? EIO : result;
    const done = this.done[tag]! + result;
    this.done[tag] = done;
    if (done >= this.length[tag]!) return this.ended(request);
    // Short of a block with O_DIRECT: the file ends here, and its rest cannot be asked for.
    if (this.direct && done % this.blockSize !== 0) return EIO;
    return this.start(request, this.step[tag]!);
  }

  private ended(request: UblkRequest): number {
    return request.fua && this.step[request.tag] !== MOVE ? this.start(request, SYNC) : 0;
  }

  private start(request: UblkRequest, step: number): number {
    const { tag } = request;
    this.step[tag] = step;
    if (step === MOVE) this.move(request, this.from[tag]!, this.done[tag]!, this.length[tag]! - this.done[tag]!);
    else this.startOther(request, step);
    return GOES_ON;
  }

  private startOther(request: UblkRequest, step: number): void {
    const { tag } = request;
    const { raw, fd } = this;
    const slot = request.member(this.member);
    const from = this.from[tag]!;
    const length = this.length[tag]!;
    switch (step) {
      case SYNC:
        raw.fsync(slot, fd, abi.IORING_FSYNC_DATASYNC);
        break;
      case DISCARD_DEVICE:
        raw.uringCmd(slot, fd, BLOCK_URING_CMD_DISCARD, from, length | 0, Math.floor(length / 2 ** 32), 0, 0);
        break;
      case DISCARD_PUNCH:
      case ZERO_PUNCH:
        raw.fallocate(slot, fd, PUNCH, from, length);
        break;
      case ZERO_RANGE:
        raw.fallocate(slot, fd, ZERO, from, length);
        break;
      default: {
        const done = this.done[tag]!;
        raw.write(slot, fd, this.zeros.address, Math.min(length - done, this.zeros.bytes), from + done, 0);
      }
    }
  }
}
