import {
  FixedBuffer,
  type FixedSink,
  type FixedSource,
  MSG_WAITALL,
  type Operation,
  read,
  readFixed,
  recv,
  send,
  sendZc,
  type TransferBase,
  type TransferOperation,
  type TransferOptions,
  write,
  writeFixed,
  type ZeroCopySend,
} from "../uring/index.ts";
import { modified } from "../uring/operation.ts";
import { checkInteger, checkKnown } from "../uring/options.ts";
import type { Lease } from "./lease.ts";

/** Where in a file, or device, a part of a request's data goes to or comes from. */
export interface LentTransfer extends Pick<TransferOptions, "fd" | "flags" | "ioprio"> {
  /** Bytes from the start of the file. */
  offset: number;
}

/** A socket that a part of a request's data goes to or comes from. `MSG_WAITALL` is always among the flags. */
export type LentMessage = Pick<TransferBase, "fd" | "flags" | "pollFirst">;

/**
 * A request's data, or a part of it, for operations of its queue's ring: memory of this process, or pages that stay in the kernel, as the
 * disk's mode will have it. What is in flight on it is counted: the request cannot be finished before the last CQE, and nothing more is
 * begun after its end.
 */
abstract class LentData<Fixed extends FixedSource | FixedSink> {
  /** @internal */
  protected readonly lease: Lease;
  /** @internal */
  protected readonly data: Uint8Array<ArrayBuffer> | Fixed;

  /** @internal */
  constructor(lease: Lease, data: Uint8Array<ArrayBuffer> | Fixed) {
    this.lease = lease;
    this.data = data;
  }

  /** Bytes. */
  get length(): number {
    return this.data.length;
  }

  /** The part of `length` bytes (default: the rest) from `at` on. A RangeError when that lies outside. */
  slice(at: number, length: number = this.length - at): this {
    const what = "slice";
    checkInteger(what, "at", at, 0, this.length, `the data has ${this.length} bytes`);
    checkInteger(what, "length", length, 1, this.length - at, `there are ${this.length - at} bytes from ${at} on`);
    const { data } = this;
    return this.part(data instanceof FixedBuffer ? (data.slice(at, length) as Fixed) : data.subarray(at, at + length));
  }

  /** @internal */
  protected abstract part(data: Uint8Array<ArrayBuffer> | Fixed): this;

  /** An operation on it is exact: a short one has failed, or a part of the request would be lost. */
  protected lent<Op extends Operation<unknown>>(operation: Op): Op {
    return modified(operation, { length: this.length, lender: this.lease });
  }
}

/**
 * The data of a WRITE request: operations may read from it. Get it with {@link UblkRequest.source}.
 *
 * @example
 * ```ts
 * import { openSync } from "node:fs";
 * import { all, Op, serve } from "uring-ublk";
 * const [left, right] = ["/tmp/left.img", "/tmp/right.img"].map((path) => openSync(path, "w+"));
 * await using disk = await serve({
 *   size: "1 MiB",
 *   zeroCopy: true, // nobody looks at the data: the kernel may lend its pages
 *   handle(request) {
 *     const { offset } = request;
 *     if (request.op === Op.READ) return request.copyFrom(new Uint8Array(request.length)), request.complete();
 *     const data = request.source();
 *     return all(data.writeTo({ fd: left!, offset }), data.writeTo({ fd: right!, offset }));
 *   },
 * });
 * console.log(disk.state); // live
 * ```
 */
export class RequestSource extends LentData<FixedSource> {
  /**
   * Writes it to a file: `IORING_OP_WRITE`, or `IORING_OP_WRITE_FIXED` where pages are lent. Fails with a {@link ShortTransferError} when
   * fewer bytes were written; with `.allowShort()` that is a result.
   */
  writeTo(options: LentTransfer): TransferOperation {
    checkKnown("writeTo", options, TRANSFER_OPTIONS);
    const { data } = this;
    return this.lent(data instanceof FixedBuffer ? writeFixed({ ...options, buffer: data }) : write({ ...options, buffer: data }));
  }

  /**
   * Sends it without copying: `IORING_OP_SEND_ZC`, in every mode; see {@link sendZc} for what it resolves to. It counts as in flight until
   * the notification. TCP and UDP sockets only. Where pages are lent, not for disks that carry file systems: some of those write from
   * kernel memory (slab) that a socket cannot hold on to, which the kernel warns of; use {@link RequestSource.sendCopyTo} there.
   */
  sendTo(options: LentMessage): Operation<ZeroCopySend> {
    checkKnown("sendTo", options, MESSAGE_OPTIONS);
    return this.lent(sendZc({ ...options, buffer: this.data, flags: (options.flags ?? 0) | MSG_WAITALL }) as Operation<ZeroCopySend>);
  }

  /** Sends a copy, which the kernel makes: `IORING_OP_SEND`. Where pages are lent it came after 6.18: EINVAL before. */
  sendCopyTo(options: LentMessage): TransferOperation {
    checkKnown("sendCopyTo", options, MESSAGE_OPTIONS);
    return this.lent(send({ ...options, buffer: this.data, flags: (options.flags ?? 0) | MSG_WAITALL }));
  }

  /** @internal */
  protected part(data: Uint8Array<ArrayBuffer> | FixedSource): this {
    return new RequestSource(this.lease, data) as this;
  }
}

/** Where the data of a READ request goes: operations may write into it. Get it with {@link UblkRequest.sink}. */
export class RequestSink extends LentData<FixedSink> {
  /**
   * Reads a file into it: `IORING_OP_READ`, or `IORING_OP_READ_FIXED` where pages are lent. Fails with a {@link ShortTransferError} when
   * fewer bytes came; with `.allowShort()` that is a result.
   */
  readFrom(options: LentTransfer): TransferOperation {
    checkKnown("readFrom", options, TRANSFER_OPTIONS);
    const { data } = this;
    return this.lent(data instanceof FixedBuffer ? readFixed({ ...options, buffer: data }) : read({ ...options, buffer: data }));
  }

  /** Receives into it: `IORING_OP_RECV`. Where pages are lent, plain receives into them came after 6.18: EINVAL before. */
  recvFrom(options: LentMessage): TransferOperation {
    checkKnown("recvFrom", options, MESSAGE_OPTIONS);
    return this.lent(recv({ ...options, buffer: this.data, flags: (options.flags ?? 0) | MSG_WAITALL }));
  }

  /** @internal */
  protected part(data: Uint8Array<ArrayBuffer> | FixedSink): this {
    return new RequestSink(this.lease, data) as this;
  }
}

const TRANSFER_OPTIONS = ["fd", "offset", "flags", "ioprio"] as const;
const MESSAGE_OPTIONS = ["fd", "flags", "pollFirst"] as const;
