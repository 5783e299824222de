import { LINKAT, MKDIRAT, RENAMEAT, SYMLINKAT, UNLINKAT } from "../ops/directory.ts";
import { CLOSE, FALLOCATE, FSYNC, OPENAT } from "../ops/file.ts";
import { OPENAT2 } from "../ops/open.ts";
import { PIPE } from "../ops/pipe.ts";
import { FADVISE, FTRUNCATE, MADVISE, SYNC_FILE_RANGE } from "../ops/range.ts";
import { READ, READ_FIXED, READV, READV_FIXED } from "../ops/read.ts";
import { READ_MULTISHOT, READ_PROVIDED } from "../ops/read-group.ts";
import { SPLICE, TEE } from "../ops/splice.ts";
import { STATX } from "../ops/statx.ts";
import { WRITE, WRITE_FIXED, WRITEV, WRITEV_FIXED } from "../ops/write.ts";
import { FGETXATTR, FSETXATTR, GETXATTR, SETXATTR } from "../ops/xattr.ts";

/** Raw writers of files: data, paths, attributes. Each comes from the declaration of its operation. */
export const fileWriters = {
  /** `IORING_OP_READ`: fd, address, length, offset (-1: the file's position), `RWF_*` flags. */
  read: READ.raw,
  /** `IORING_OP_READ_FIXED`: fd, address in the fixed buffer, length, offset, buffer index, `RWF_*` flags. */
  readFixed: READ_FIXED.raw,
  /** `IORING_OP_READV`: fd, address of the iovecs, their number, offset, `RWF_*` flags. */
  readv: READV.raw,
  /** `IORING_OP_READV_FIXED`: fd, address of the iovecs, their number, offset, buffer index, `RWF_*` flags. */
  readvFixed: READV_FIXED.raw,
  /** `IORING_OP_WRITE`: fd, address, length, offset (-1: the file's position), `RWF_*` flags. */
  write: WRITE.raw,
  /** `IORING_OP_WRITE_FIXED`: fd, address in the fixed buffer, length, offset, buffer index, `RWF_*` flags. */
  writeFixed: WRITE_FIXED.raw,
  /** `IORING_OP_WRITEV`: fd, address of the iovecs, their number, offset, `RWF_*` flags. */
  writev: WRITEV.raw,
  /** `IORING_OP_WRITEV_FIXED`: fd, address of the iovecs, their number, offset, buffer index, `RWF_*` flags. */
  writevFixed: WRITEV_FIXED.raw,
  /** `IORING_OP_READ` with a buffer of a group: fd, group, length (0: the buffer's), offset, `RWF_*` flags. */
  readProvided: READ_PROVIDED.raw,
  /** `IORING_OP_READ_MULTISHOT`: fd, group, offset (-1), `RWF_*` flags; the slot is declared "many". */
  readMultishot: READ_MULTISHOT.raw,
  /** `IORING_OP_SYNC_FILE_RANGE`: fd, length, offset, `SYNC_FILE_RANGE_*` flags. */
  syncFileRange: SYNC_FILE_RANGE.raw,
  /** `IORING_OP_FADVISE`: fd, offset, length, `POSIX_FADV_*`. */
  fadvise: FADVISE.raw,
  /** `IORING_OP_MADVISE`: address, length, `MADV_*`. */
  madvise: MADVISE.raw,
  /** `IORING_OP_FTRUNCATE`: fd, length. */
  ftruncate: FTRUNCATE.raw,
  /** `IORING_OP_STATX`: directory fd, address of the path, `AT_*` flags, `STATX_*` mask, address of the struct statx. */
  statx: STATX.raw,
  /** `IORING_OP_OPENAT2`: directory fd, address of the path, address of the struct open_how, file-table slot + 1 or 0. */
  openat2: OPENAT2.raw,
  /** `IORING_OP_SPLICE`: input fd, its offset or -1, output fd, its offset or -1, length, `SPLICE_F_*` flags. */
  splice: SPLICE.raw,
  /** `IORING_OP_TEE`: input fd, output fd, length, `SPLICE_F_*` flags. */
  tee: TEE.raw,
  /** `IORING_OP_PIPE`: address of two ints, flags, file-table slot + 1 or 0. */
  pipe: PIPE.raw,
  /** `IORING_OP_RENAMEAT`: old directory fd, address of the old path, new directory fd, address of the new path, `RENAME_*` flags. */
  renameat: RENAMEAT.raw,
  /** `IORING_OP_LINKAT`: old directory fd, address of the old path, new directory fd, address of the new path, `AT_*` flags. */
  linkat: LINKAT.raw,
  /** `IORING_OP_UNLINKAT`: directory fd, address of the path, `AT_*` flags. */
  unlinkat: UNLINKAT.raw,
  /** `IORING_OP_MKDIRAT`: directory fd, address of the path, mode. */
  mkdirat: MKDIRAT.raw,
  /** `IORING_OP_SYMLINKAT`: address of the target, directory fd, address of the path. */
  symlinkat: SYMLINKAT.raw,
  /** `IORING_OP_GETXATTR`: addresses of name, value and path, length of the value. */
  getxattr: GETXATTR.raw,
  /** `IORING_OP_FGETXATTR`: fd, addresses of name and value, length of the value. */
  fgetxattr: FGETXATTR.raw,
  /** `IORING_OP_SETXATTR`: addresses of name, value and path, `XATTR_*` flags, length of the value. */
  setxattr: SETXATTR.raw,
  /** `IORING_OP_FSETXATTR`: fd, addresses of name and value, `XATTR_*` flags, length of the value. */
  fsetxattr: FSETXATTR.raw,
  /** `IORING_OP_FSYNC`: fd, flags (`IORING_FSYNC_*`). */
  fsync: FSYNC.raw,
  /** `IORING_OP_FALLOCATE`: fd, mode, offset, length. */
  fallocate: FALLOCATE.raw,
  /** `IORING_OP_OPENAT`: directory fd, address of the path, flags, mode, file-table slot + 1 or 0. */
  openat: OPENAT.raw,
  /** `IORING_OP_CLOSE`: fd, file-table slot + 1 or 0. */
  closeFd: CLOSE.raw,
} as const;
