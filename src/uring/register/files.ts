import { addressOf } from "../../ffi/index.ts";
import * as abi from "../abi.ts";
import type { ResourceTag } from "../mailbox.ts";
import { checkInteger } from "../options.ts";
import { io_uring_file_index_range, io_uring_files_update, io_uring_rsrc_register, io_uring_rsrc_update2 } from "../structs.ts";
import { BufferRegistrations } from "./buffers.ts";

const FILE_LIMIT = 1048576;
const ONE_TABLE = "EMFILE: raise `ulimit -n`; EBUSY: there is a table already; EBADF: a descriptor is not open";

/** In a list of descriptors: leaves the slot as it is (`IORING_REGISTER_FILES_SKIP`, 5.12). */
export const KEEP_FILE = abi.IORING_REGISTER_FILES_SKIP;
/** In a list of descriptors: empties the slot. */
export const NO_FILE = -1;

/** The table of fixed files. */
export class FileRegistrations extends BufferRegistrations {
  /**
   * `IORING_REGISTER_FILES` (5.1), with tags `IORING_REGISTER_FILES2` (5.13): a table of the given descriptors, {@link NO_FILE} for an
   * empty slot. The table keeps the files open.
   */
  files(fds: readonly number[], tags?: readonly (ResourceTag | undefined)[]): void {
    checkInteger("register", "files", fds.length, 1, FILE_LIMIT);
    const list = this.#list(fds);
    this.tagged(tags, fds.length, (addresses) => {
      if (addresses === 0) this.call("files", abi.IORING_REGISTER_FILES, list, list.length, ONE_TABLE);
      else {
        const arg = io_uring_rsrc_register.build({ nr: list.length, data: addressOf(list), tags: addresses });
        this.call("files", abi.IORING_REGISTER_FILES2, arg, io_uring_rsrc_register.size, ONE_TABLE);
      }
      return list.length;
    });
  }

  /** `IORING_REGISTER_FILES2` with `RSRC_REGISTER_SPARSE` (5.19): an empty file table of `count` slots. */
  sparseFiles(count: number): void {
    checkInteger("register", "files", count, 1, FILE_LIMIT);
    const arg = io_uring_rsrc_register.build({ nr: count, flags: abi.IORING_RSRC_REGISTER_SPARSE });
    this.call("files", abi.IORING_REGISTER_FILES2, arg, io_uring_rsrc_register.size, ONE_TABLE);
  }

  /**
   * `IORING_REGISTER_FILES_UPDATE` (5.5), with tags `IORING_REGISTER_FILES_UPDATE2` (5.13): puts descriptors into table slots;
   * {@link NO_FILE} empties one, {@link KEEP_FILE} leaves it. Answers how many slots were gone through: fewer than given when the
   * kernel refused one of the later ones.
   */
  updateFiles(first: number, fds: readonly number[], tags?: readonly (ResourceTag | undefined)[]): number {
    const list = this.#list(fds);
    return this.tagged(tags, fds.length, (addresses) => {
      if (addresses === 0) {
        const arg = io_uring_files_update.build({ offset: first, fds: addressOf(list) });
        return this.call("files update", abi.IORING_REGISTER_FILES_UPDATE, arg, list.length);
      }
      const arg = io_uring_rsrc_update2.build({ offset: first, data: addressOf(list), tags: addresses, nr: list.length });
      return this.call("files update", abi.IORING_REGISTER_FILES_UPDATE2, arg, io_uring_rsrc_update2.size);
    });
  }

  /** `IORING_UNREGISTER_FILES` (5.1): drops the file table. Before Linux 6.13 it waits for the operations that use a slot, and tags are not told. */
  unregisterFiles(): void {
    this.call("unregister files", abi.IORING_UNREGISTER_FILES, 0, 0);
  }

  /**
   * `IORING_REGISTER_FILE_ALLOC_RANGE` (6.0): operations that open into "any" slot choose from `length` slots from `first` on; the others
   * are left to those that name one.
   */
  fileAllocRange(first: number, length: number): void {
    checkInteger("fileAllocRange", "first", first, 0, FILE_LIMIT);
    checkInteger("fileAllocRange", "length", length, 0, FILE_LIMIT);
    const arg = io_uring_file_index_range.build({ off: first, len: length });
    this.call("file alloc range", abi.IORING_REGISTER_FILE_ALLOC_RANGE, arg, 0, "EINVAL: the range ends beyond the file table");
  }

  #list(fds: readonly number[]): Int32Array<ArrayBuffer> {
    const list = Int32Array.from(fds);
    this.held = list;
    return list;
  }
}
