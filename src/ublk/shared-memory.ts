import type { SharedRegion } from "./shared-region.ts";

/**
 * Memory that a disk shares with its clients: requests whose data lies in it are not copied. Made by {@link UblkDevice.shareMemory}; it is
 * the disk's until it is released, or the disk has stopped.
 *
 * @example
 * ```ts no-run
 * import { serve } from "uring-ublk";
 * const disk = await serve({ size: "1 GiB", read: (buffer) => void buffer.fill(7) }, { sharedMemory: true });
 * await using shared = await disk.shareMemory({ size: "64 MiB" });
 * console.log(`map ${shared.path} and do O_DIRECT I/O on ${disk.path} from there`);
 * await disk.finished;
 * ```
 */
export class SharedMemory implements AsyncDisposable {
  /** The index that the driver gave it. */
  readonly index: number;
  /** The file in memory: for clients, which map it (`mmap(2)` with `MAP_SHARED`). */
  readonly fd: number;
  /** Bytes. */
  readonly size: number;
  /** Only WRITE requests are recognised in it. */
  readonly readOnly: boolean;
  readonly #region: SharedRegion;
  readonly #release: (memory: SharedMemory) => Promise<void>;
  #released: Promise<void> | undefined;

  /** @internal */
  constructor(index: number, region: SharedRegion, release: (memory: SharedMemory) => Promise<void>) {
    this.index = index;
    this.fd = region.fd;
    this.size = region.arena.length;
    this.readOnly = region.readOnly;
    this.#region = region;
    this.#release = release;
  }

  /** A path by which programs of the same user open the file, while this process has it open: `/proc/PID/fd/N`. */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.fd}`;
  }

  /**
   * The memory itself. Empty once it was released. Where `fd` was open for reading only, a store into it ends the process.
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#region.bytes;
  }

  /** @internal */
  get region(): SharedRegion {
    return this.#region;
  }

  /**
   * Takes it back (UNREG_BUF): what clients do with it is copied from then on. Waits for the requests in flight, then detaches every view and
   * unmaps it. Twice is fine.
   *
   * @throws UblkError ETIMEDOUT when requests stay open for longer than `timeoutMs` of serve: it is released when they are answered.
   */
  release(): Promise<void> {
    this.#released ??= this.#release(this).catch((error) => {
      this.#released = undefined;
      throw error;
    });
    return this.#released;
  }

  /** {@link SharedMemory.release}, at the end of an `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
