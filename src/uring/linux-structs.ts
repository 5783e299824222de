/**
 * Structs of the kernel's other headers that operations point to: `linux/{stat,openat2,futex,eventpoll}.h`, and siginfo of
 * `asm-generic/siginfo.h` as waitid fills it in. x86-64 layout, Linux 7.2.
 *
 * @module
 */
import { Struct } from "../ffi/index.ts";

export const statx_struct = new Struct("statx", 256, {
  stx_mask: [0, 4],
  stx_blksize: [4, 4],
  stx_attributes: [8, 8],
  stx_nlink: [16, 4],
  stx_uid: [20, 4],
  stx_gid: [24, 4],
  stx_mode: [28, 2],
  stx_ino: [32, 8],
  stx_size: [40, 8],
  stx_blocks: [48, 8],
  stx_attributes_mask: [56, 8],
  stx_atime: [64, 16],
  stx_btime: [80, 16],
  stx_ctime: [96, 16],
  stx_mtime: [112, 16],
  stx_rdev_major: [128, 4],
  stx_rdev_minor: [132, 4],
  stx_dev_major: [136, 4],
  stx_dev_minor: [140, 4],
  stx_mnt_id: [144, 8],
  stx_dio_mem_align: [152, 4],
  stx_dio_offset_align: [156, 4],
  stx_subvol: [160, 8],
  stx_atomic_write_unit_min: [168, 4],
  stx_atomic_write_unit_max: [172, 4],
  stx_atomic_write_segments_max: [176, 4],
  stx_dio_read_offset_align: [180, 4],
});

export const open_how = new Struct("open_how", 24, { flags: [0, 8], mode: [8, 8], resolve: [16, 8] });

export const futex_waitv = new Struct("futex_waitv", 24, { val: [0, 8], uaddr: [8, 8], flags: [16, 4], __reserved: [20, 4] });

export const epoll_event = new Struct("epoll_event", 12, { events: [0, 4], data: [4, 8] });

export const siginfo = new Struct("siginfo_t", 128, {
  si_signo: [0, 4],
  si_code: [8, 4],
  si_pid: [16, 4],
  si_uid: [20, 4],
  si_status: [24, 4],
});
