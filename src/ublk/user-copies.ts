import { type SystemError, sys } from "../ffi/index.ts";
import { UBLK_QID_OFF, UBLK_TAG_OFF, UBLKSRV_IO_BUF_OFFSET } from "./abi.ts";
import { UblkError } from "./error.ts";
import type { QueueSpec } from "./queue-spec.ts";

const EIO = -5;

/**
 * Copies between a request and memory of this process, by the serving thread: `pread(2)` and `pwrite(2)` on the char device (`UBLK_F_USER_COPY`,
 * 6.5). They end before they return: for a thread that serves they are the quick way, an operation of the ring would pass through a worker
 * thread of the kernel.
 */
export class UserCopies {
  readonly #charFd: number;
  readonly #device: number;
  readonly #base: number;

  constructor({ charFd, device, queue }: Pick<QueueSpec, "charFd" | "device" | "queue">) {
    this.#charFd = charFd;
    this.#device = device;
    this.#base = UBLKSRV_IO_BUF_OFFSET + queue * 2 ** UBLK_QID_OFF; // at most 2^53
  }

  /** Copies a WRITE request's bytes from `at` on into `into`, all of it. */
  take(tag: number, at: number, into: Uint8Array): void {
    this.#whole("pread", sys.pread, tag, at, into);
  }

  /** Copies all of `from` into a READ request, from `at` on. */
  give(tag: number, at: number, from: Uint8Array): void {
    this.#whole("pwrite", sys.pwrite, tag, at, from);
  }

  #whole(
    call: string,
    copy: (fd: number, memory: Uint8Array, offset: number) => number,
    tag: number,
    at: number,
    memory: Uint8Array,
  ): void {
    let done = 0;
    try {
      done = copy(this.#charFd, memory, this.#base + tag * 2 ** UBLK_TAG_OFF + at);
    } catch (error) {
      const { errno } = error as SystemError;
      throw new UblkError({ command: call, device: this.#device, errno: errno ?? EIO, subject: `tag ${tag}`, cause: error });
    }
    if (done < memory.length)
      throw new UblkError({
        command: call,
        device: this.#device,
        errno: EIO,
        subject: `tag ${tag}`,
        hint: `the kernel copied ${done} of ${memory.length} bytes`,
      });
  }
}
