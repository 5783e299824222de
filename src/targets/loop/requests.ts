import { Arena } from "../../ffi/index.ts";
import { Op, type RequestTarget, type UblkQueue, type UblkRequest } from "../../ublk/index.ts";
import { abi, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from "../../uring/index.ts";
import type { LoopShared } from "./backing.ts";

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
const ZEROS_BYTES = 2 ** 20;
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

const unsupported = (result: number): boolean => result === EOPNOTSUPP || result === ENOSYS || result === ENOTTY || result === EINVAL;

/**
 * Serves requests from a descriptor, each with one operation of the ring at a time. The state of a request is a few numbers in
 * arrays by tag: nothing is allocated for it.
 */
export class LoopRequests implements RequestTarget {
  readonly ops: { flush: boolean; discard: boolean; writeZeroes: boolean };
  readonly #queue: UblkQueue;
  readonly #fd: number;
  readonly #direct: boolean;
  readonly #blockSize: number;
  readonly #step: Uint8Array;
  readonly #retries: Uint8Array;
  readonly #done: Float64Array; // bytes of the request that are done
  // What the backing turned out not to do is not asked again.
  #canDiscardDevice: boolean;
  #canPunch = true;
  #canZeroRange = true;
  #zeros: Arena | undefined;

  constructor(queue: UblkQueue, shared: LoopShared) {
    const { depth } = queue.spec;
    this.#queue = queue;
    this.#fd = shared.fd;
    this.#direct = shared.direct;
    this.#blockSize = shared.blockSize;
    this.#canDiscardDevice = shared.device;
    this.#step = new Uint8Array(depth);
    this.#retries = new Uint8Array(depth);
    this.#done = new Float64Array(depth);
    this.ops = { flush: true, discard: shared.discard, writeZeroes: true };
  }

  handle(request: UblkRequest): void {
    const { tag } = request;
    this.#done[tag] = 0;
    this.#retries[tag] = 0;
    switch (request.op) {
      case Op.READ:
      case Op.WRITE:
        this.#start(request, MOVE);
        break;
      case Op.FLUSH:
        this.#start(request, SYNC);
        break;
      case Op.DISCARD:
        this.#discard(request);
        break;
      case Op.WRITE_ZEROES:
        this.#zero(request, request.noUnmap ? ZERO_RANGE : ZERO_PUNCH);
        break;
      default:
        request.fail(EOPNOTSUPP);
    }
  }

  completed(request: UblkRequest, result: number): void {
    const { tag } = request;
    const step = this.#step[tag]!;
    if ((result === EINTR || result === EAGAIN) && this.#retries[tag]!++ < RETRIES) this.#start(request, step);
    else if (step === MOVE || step === ZERO_WRITE) this.#moved(request, result);
    else if (step !== SYNC && unsupported(result)) this.#fallBack(request, step);
    else if (result < 0) request.fail(result);
    else if (step === SYNC) request.complete();
    else this.#ended(request);
  }

  /** The ring is closed by now. Unless it was closed in the middle of something, nothing reads the zeros any more. */
  detach(): void {
    if (this.#queue.abandoned) this.#zeros?.abandon();
    else this.#zeros?.dispose();
  }

  #discard(request: UblkRequest): void {
    if (this.#canDiscardDevice) this.#start(request, DISCARD_DEVICE);
    else if (this.#canPunch) this.#start(request, DISCARD_PUNCH);
    else request.complete();
  }

  #zero(request: UblkRequest, wanted: number): void {
    let step = wanted;
    if (step === ZERO_PUNCH && !this.#canPunch) step = ZERO_RANGE;
    if (step === ZERO_RANGE && !this.#canZeroRange) step = ZERO_WRITE;
    this.#start(request, step);
  }

  // The backing cannot do it that way: another way, and from now on at once.
  #fallBack(request: UblkRequest, step: number): void {
    switch (step) {
      case DISCARD_DEVICE:
        this.#canDiscardDevice = false;
        this.#discard(request);
        break;
      case DISCARD_PUNCH:
        // A discard is advice: a backing that cannot follow it has done nothing wrong.
        this.#canPunch = false;
        request.complete();
        break;
      case ZERO_PUNCH:
        this.#canPunch = false;
        this.#zero(request, ZERO_RANGE);
        break;
      default:
        this.#canZeroRange = false;
        this.#zero(request, ZERO_WRITE);
    }
  }

  #moved(request: UblkRequest, result: number): void {
    if (result <= 0) {
      // The end of the file inside the disk, or a write that stands still: the block layer must hear of an error, never of 0 bytes.
      request.fail(result === 0 ? EIO : result);
      return;
    }
    const done = this.#done[request.tag]! + result;
    this.#done[request.tag] = done;
    if (done >= request.length) this.#ended(request);
    // Short of a block with O_DIRECT: the file ends here, and its rest cannot be asked for.
    else if (this.#direct && done % this.#blockSize !== 0) request.fail(EIO);
    else this.#start(request, this.#step[request.tag]!);
  }

  #ended(request: UblkRequest): void {
    // WRITE carries its FUA in the operation itself.
    if (request.fua && this.#step[request.tag] !== MOVE) this.#start(request, SYNC);
    else request.complete();
  }

  #start(request: UblkRequest, step: number): void {
    const { tag, offset, length } = request;
    const { raw } = this.#queue;
    const fd = this.#fd;
    const done = this.#done[tag]!;
    this.#step[tag] = step;
    switch (step) {
      case MOVE:
        if (request.op === Op.READ) request.readFrom(fd, offset + done, done);
        else request.writeTo(fd, offset + done, request.fua ? RWF_DSYNC : 0, done);
        break;
      case SYNC:
        raw.fsync(request.member(), fd, abi.IORING_FSYNC_DATASYNC);
        break;
      case DISCARD_DEVICE:
        raw.uringCmd(request.member(), fd, BLOCK_URING_CMD_DISCARD, offset, length | 0, Math.floor(length / 2 ** 32), 0, 0);
        break;
      case DISCARD_PUNCH:
      case ZERO_PUNCH:
        raw.fallocate(request.member(), fd, PUNCH, offset, length);
        break;
      case ZERO_RANGE:
        raw.fallocate(request.member(), fd, ZERO, offset, length);
        break;
      case ZERO_WRITE: {
        this.#zeros ??= Arena.allocate(ZEROS_BYTES);
        raw.write(request.member(), fd, this.#zeros.address, Math.min(length - done, ZEROS_BYTES), offset + done, 0);
      }
    }
  }
}
