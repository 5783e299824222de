import { addressOf, type SystemError, sys } from "../ffi/index.ts";
import { UBLK_INTEGRITY_FLAG_OFF, UBLK_QID_OFF, UBLK_TAG_OFF, UBLKSRV_IO_BUF_OFFSET } from "./abi.ts";
import { UblkError } from "./error.ts";
import type { QueueSpec } from "./queue-spec.ts";

const EIO = -5;
/** Beyond 2^53, but beside it a tag's place is a multiple of what numbers tell apart there: it is exact. */
const METADATA = 2 ** UBLK_INTEGRITY_FLAG_OFF;

/**
 * Copies between a request and memory of this process, by the serving thread: `pread(2)` and `pwrite(2)` on the char device (`UBLK_F_USER_COPY`,
 * 6.5). They end before they return: for a thread that serves they are the quick way, an operation of the ring would pass through a worker
 * thread of the kernel.
 */
export class UserCopies {
  readonly #charFd: number;
  readonly #device: number;
  readonly #offsets: Float64Array; // of the tags' data in the char device; at most 2^53

  constructor({ charFd, depth, device, queue }: Pick<QueueSpec, "charFd" | "depth" | "device" | "queue">) {
    this.#charFd = charFd;
    this.#device = device;
    const first = UBLKSRV_IO_BUF_OFFSET + queue * 2 ** UBLK_QID_OFF;
    this.#offsets = Float64Array.from({ length: depth }, (_, tag) => first + tag * 2 ** UBLK_TAG_OFF);
  }

  /** Copies a WRITE request's bytes from `at` on into `into`, all of it. */
  take(tag: number, at: number, into: Uint8Array): void {
    this.#whole("pread", sys.preadAt, tag, at, addressOf(into), into.length);
  }

  /** Copies all of `from` into a READ request, from `at` on. */
  give(tag: number, at: number, from: Uint8Array): void {
    this.giveFrom(tag, at, addressOf(from), from.length);
  }

  /** The same from memory that is known by its address. */
  giveFrom(tag: number, at: number, address: number, length: number): void {
    this.#whole("pwrite", sys.pwriteAt, tag, at, address, length);
  }

  /** Copies a WRITE request's metadata, all of it. */
  takeMetadata(tag: number, into: Uint8Array): void {
    this.#whole("pread", sys.preadAt, tag, METADATA, addressOf(into), into.length);
  }

  /** Copies a READ request's metadata. */
  giveMetadata(tag: number, from: Uint8Array): void {
    this.#whole("pwrite", sys.pwriteAt, tag, METADATA, addressOf(from), from.length);
  }

  /** Copies a report of zones. The kernel may have room for fewer. Answers how many bytes it took. */
  giveReport(tag: number, report: Uint8Array): number {
    try {
      return sys.pwriteAt(this.#charFd, addressOf(report), report.length, this.#offsets[tag]!);
    } catch (error) {
      throw this.#error("pwrite", tag, (error as SystemError).errno ?? EIO, { cause: error });
    }
  }

  #whole(
    call: string,
    copy: (fd: number, address: number, length: number, offset: number) => number,
    tag: number,
    at: number,
    address: number,
    length: number,
  ): void {
    let done = 0;
    try {
      done = copy(this.#charFd, address, length, this.#offsets[tag]! + at);
    } catch (error) {
      const { errno } = error as SystemError;
      throw this.#error(call, tag, errno ?? EIO, { cause: error });
    }
    if (done < length) throw this.#error(call, tag, EIO, { hint: `the kernel copied ${done} of ${length} bytes` });
  }

  #error(command: string, tag: number, errno: number, why: { cause: unknown } | { hint: string }): UblkError {
    return new UblkError({ command, device: this.#device, errno, subject: `tag ${tag}`, ...why });
  }
}
