/**
 * The structs of `linux/ublk_cmd.h` 7.2.12, and the zone of `linux/blkzoned.h`.
 *
 * @module
 */
import { Struct } from "../ffi/index.ts";

export const ublksrv_ctrl_cmd = new Struct("ublksrv_ctrl_cmd", 32, {
  dev_id: [0, 4],
  queue_id: [4, 2],
  len: [6, 2],
  addr: [8, 8],
  data: [16, 8],
  dev_path_len: [24, 2],
  pad: [26, 2],
  reserved: [28, 4],
});

export const ublksrv_ctrl_dev_info = new Struct("ublksrv_ctrl_dev_info", 64, {
  nr_hw_queues: [0, 2],
  queue_depth: [2, 2],
  state: [4, 2],
  pad0: [6, 2], // Linux 7.3: io_desc_size
  max_io_buf_bytes: [8, 4],
  dev_id: [12, 4],
  ublksrv_pid: [16, 4],
  pad1: [20, 4],
  flags: [24, 8],
  ublksrv_flags: [32, 8],
  owner_uid: [40, 4],
  owner_gid: [44, 4],
  reserved1: [48, 8],
  reserved2: [56, 8],
});

export const ublksrv_io_desc = new Struct("ublksrv_io_desc", 24, {
  op_flags: [0, 4],
  nr_sectors: [4, 4],
  nr_zones: [4, 4],
  start_sector: [8, 8],
  addr: [16, 8],
});

export const ublksrv_io_cmd = new Struct("ublksrv_io_cmd", 16, {
  q_id: [0, 2],
  tag: [2, 2],
  result: [4, 4],
  addr: [8, 8],
  zone_append_lba: [8, 8],
});

export const ublk_shmem_buf_reg = new Struct("ublk_shmem_buf_reg", 24, {
  addr: [0, 8],
  len: [8, 8],
  flags: [16, 4],
  reserved: [20, 4],
});

/** `struct ublk_params`, flattened: a field of an inner struct is `block.field` at its absolute offset. */
export const ublk_params = new Struct("ublk_params", 152, {
  len: [0, 4],
  types: [4, 4],
  "basic.attrs": [8, 4],
  "basic.logical_bs_shift": [12, 1],
  "basic.physical_bs_shift": [13, 1],
  "basic.io_opt_shift": [14, 1],
  "basic.io_min_shift": [15, 1],
  "basic.max_sectors": [16, 4],
  "basic.chunk_sectors": [20, 4],
  "basic.dev_sectors": [24, 8],
  "basic.virt_boundary_mask": [32, 8],
  "discard.discard_alignment": [40, 4],
  "discard.discard_granularity": [44, 4],
  "discard.max_discard_sectors": [48, 4],
  "discard.max_write_zeroes_sectors": [52, 4],
  "discard.max_discard_segments": [56, 2],
  "devt.char_major": [60, 4],
  "devt.char_minor": [64, 4],
  "devt.disk_major": [68, 4],
  "devt.disk_minor": [72, 4],
  "zoned.max_open_zones": [76, 4],
  "zoned.max_active_zones": [80, 4],
  "zoned.max_zone_append_sectors": [84, 4],
  "dma.alignment": [108, 4],
  "seg.seg_boundary_mask": [120, 8],
  "seg.max_segment_size": [128, 4],
  "seg.max_segments": [132, 2],
  "integrity.flags": [136, 4],
  "integrity.max_integrity_segments": [140, 2],
  "integrity.interval_exp": [142, 1],
  "integrity.metadata_size": [143, 1],
  "integrity.pi_offset": [144, 1],
  "integrity.csum_type": [145, 1],
  "integrity.tag_size": [146, 1],
});

export const blk_zone = new Struct("blk_zone", 64, {
  start: [0, 8],
  len: [8, 8],
  wp: [16, 8],
  type: [24, 1],
  cond: [25, 1],
  non_seq: [26, 1],
  reset: [27, 1],
  capacity: [32, 8],
});
