import { fstatSync } from "node:fs";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, fallocate, fsync, type Ring, RWF_DSYNC, read, SystemError, write } from "uring-ublk";
import { LOCK_EX, LOCK_NB, LOCK_SH, O_RDONLY, O_RDWR, sys } from "uring-ublk/ffi";
import { Can, Command, Errno, type Export, Flag, type Request } from "./protocol.ts";

const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const PIECE = 2 ** 20;
const KNOWN: readonly number[] = Object.values(Errno);

/** The file that is served. It is locked meanwhile. */
export class Image implements Disposable {
  readonly export: Export;
  readonly #ring: Ring;
  readonly #fd: number;
  readonly #readOnly: boolean;
  readonly #zeros = new Uint8Array(PIECE);

  constructor(ring: Ring, path: string, name: string, readOnly: boolean) {
    this.#ring = ring;
    this.#readOnly = readOnly;
    this.#fd = sys.open(path, readOnly ? O_RDONLY : O_RDWR);
    try {
      const stat = fstatSync(this.#fd);
      if (!stat.isFile()) throw new Error(`${path} is no regular file`);
      if (stat.size === 0) throw new Error(`${path} is empty`);
      sys.flock(this.#fd, (readOnly ? LOCK_SH : LOCK_EX) | LOCK_NB);
      const writable = Can.FLUSH | Can.FUA | Can.TRIM | Can.WRITE_ZEROES;
      // All connections use one descriptor: a flush by any of them covers what was written by all.
      const flags = Can.HAS_FLAGS | Can.MULTI_CONN | (readOnly ? Can.READ_ONLY : writable);
      this.export = { name, size: stat.size, flags };
    } catch (error) {
      sys.close(this.#fd);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    sys.close(this.#fd);
  }

  /** What is wrong with a request, before its data is looked at: an error of the protocol, or 0. */
  problem({ command, flags, offset, length }: Request): number {
    const known = command === Command.WRITE_ZEROES ? Flag.FUA | Flag.NO_HOLE : Flag.FUA;
    if ((flags & ~known) !== 0) return Errno.EINVAL;
    if (command === Command.FLUSH) return offset === 0 && length === 0 ? 0 : Errno.EINVAL;
    if (this.#readOnly && command !== Command.READ) return Errno.EPERM;
    if (length === 0) return Errno.EINVAL;
    if (offset + length <= this.export.size) return 0;
    return command === Command.WRITE ? Errno.ENOSPC : Errno.EINVAL;
  }

  /** Does what is asked for; answers an error of the protocol, or 0. */
  async perform(request: Request, buffer: Uint8Array<ArrayBuffer>): Promise<number> {
    try {
      return await this.#perform(request, buffer);
    } catch (error) {
      const errno = error instanceof SystemError ? -error.errno : 0;
      return KNOWN.includes(errno) ? errno : Errno.EIO;
    }
  }

  async #perform({ command, flags, offset, length }: Request, buffer: Uint8Array<ArrayBuffer>): Promise<number> {
    const fd = this.#fd;
    const durable = (flags & Flag.FUA) !== 0;
    switch (command) {
      case Command.READ:
        await this.#ring.run(read({ fd, buffer, offset }).exact());
        return 0;
      case Command.WRITE:
        await this.#ring.run(write({ fd, buffer, offset, flags: durable ? RWF_DSYNC : 0 }).exact());
        return 0;
      case Command.FLUSH:
        await this.#ring.run(fsync({ fd }));
        return 0;
      case Command.TRIM:
        await this.#punch(offset, length); // a hint: a file system that cannot keeps the blocks
        break;
      case Command.WRITE_ZEROES:
        if ((flags & Flag.NO_HOLE) !== 0 || !(await this.#punch(offset, length))) await this.#writeZeros(offset, length);
        break;
      default:
        return Errno.EINVAL;
    }
    if (durable) await this.#ring.run(fsync({ fd }));
    return 0;
  }

  /** False when the file system has no holes. */
  async #punch(offset: number, length: number): Promise<boolean> {
    const { status, code } = await this.#ring.settle(fallocate({ fd: this.#fd, mode: PUNCH, offset, length })).then((end) => ({
      status: end.status,
      code: end.status === "failed" ? end.code : undefined,
    }));
    if (status === "fulfilled") return true;
    if (code === "EOPNOTSUPP") return false;
    throw new Error(`a hole cannot be punched: ${code}`);
  }

  async #writeZeros(offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; done += PIECE) {
      const buffer = this.#zeros.subarray(0, Math.min(PIECE, length - done));
      await this.#ring.run(write({ fd: this.#fd, buffer, offset: offset + done }).exact());
    }
  }
}
