import { fstatSync, ftruncateSync } from "node:fs";
import { Arena, F_GETFL, O_RDONLY, PROT_READ, PROT_WRITE, sys } from "../ffi/index.ts";
import { checkBoolean, checkInteger, checkKnown } from "../uring/options.ts";
import { checkPages } from "./reg-buf.ts";
import { adoptSharedBuffer, forgetSharedBuffer } from "./shared-buffers.ts";
import { parseSize } from "./size.ts";
import type { Size } from "./target.ts";

const WHAT = "shareMemory";
const ACCESS = 3; // O_ACCMODE
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const SEALS = 1 | 2 | 4; // F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW

/** Options of {@link UblkDevice.shareMemory}: a new file in memory of `size`, or the one that `fd` is. */
export interface ShareOptions {
  /** Bytes, a multiple of 4096 up to 4 GiB. With `fd`: default the whole file. */
  size?: Size;
  /**
   * A file in memory (memfd, tmpfs, hugetlbfs) that exists already. It stays the caller's, and open; it must not become shorter while it is
   * shared, or looking at it ends this process: seal it (`F_SEAL_SHRINK`).
   */
  fd?: number;
  /** Clients only write from it: their READs into it are copied as ever. Needed where `fd` is open for reading only. Default false. */
  readOnly?: boolean;
}

/** Memory to be shared: a mapped file. */
export class SharedRegion {
  readonly fd: number;
  readonly readOnly: boolean;
  readonly arena: Arena;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #ours: boolean; // the file

  private constructor(fd: number, ours: boolean, arena: Arena, readOnly: boolean) {
    this.fd = fd;
    this.#ours = ours;
    this.arena = arena;
    this.readOnly = readOnly;
    this.bytes = arena.bytes();
    adoptSharedBuffer(arena.address, this.bytes.buffer);
  }

  /** Makes or takes the file, and maps it. */
  static open(options: ShareOptions): SharedRegion {
    checkKnown(WHAT, options, ["size", "fd", "readOnly"]);
    const { fd } = options;
    const readOnly = options.readOnly !== undefined && checkBoolean(WHAT, "readOnly", options.readOnly);
    const size = options.size === undefined ? undefined : checkPages(WHAT, "size", parseSize(options.size, `${WHAT}: size`));
    if (fd !== undefined) return SharedRegion.#take(fd, size, readOnly);
    if (size === undefined) throw new TypeError(`${WHAT}: size is missing; give bytes or text such as "64 MiB", or fd, a file in memory`);
    const made = sys.memfdCreate("uring-ublk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    try {
      ftruncateSync(made, size);
      sys.fcntl(made, F_ADD_SEALS, SEALS); // a client that cut it off would end this process
      return new SharedRegion(made, true, Arena.map(made, 0, size), readOnly);
    } catch (error) {
      sys.close(made);
      throw error;
    }
  }

  static #take(fd: number, size: number | undefined, readOnly: boolean): SharedRegion {
    checkInteger(WHAT, "fd", fd, 0, 2 ** 31 - 1, "a file in memory");
    const have = fstatSync(fd).size;
    const length = checkPages(WHAT, size === undefined ? "the size of fd" : "size", size ?? have);
    if (length > have) throw new RangeError(`${WHAT}: size is ${length}, but the file has ${have} bytes; make it longer first (ftruncate)`);
    const forReading = (sys.fcntl(fd, F_GETFL) & ACCESS) === O_RDONLY;
    if (forReading && !readOnly)
      throw new TypeError(`${WHAT}: fd is open for reading only; open it for both, or share it with readOnly: true`);
    const arena = Arena.map(fd, 0, length, forReading ? PROT_READ : PROT_READ | PROT_WRITE);
    return new SharedRegion(fd, false, arena, readOnly);
  }

  /** Detaches this thread's views and unmaps it; where another thread may still look at it, it stays mapped. Twice is fine. */
  close(unmap: boolean): void {
    if (this.arena.disposed) return;
    forgetSharedBuffer(this.arena.address);
    if (unmap) this.arena.dispose();
    else this.arena.abandon();
    if (this.#ours) sys.close(this.fd);
  }
}
