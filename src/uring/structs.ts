/**
 * The structs of `linux/io_uring.h` 7.2.12 that setup, enter and registration use.
 *
 * @module
 */
import { Struct } from "../ffi/index.ts";

export const io_uring_params = new Struct("io_uring_params", 120, {
  sq_entries: [0, 4],
  cq_entries: [4, 4],
  flags: [8, 4],
  sq_thread_cpu: [12, 4],
  sq_thread_idle: [16, 4],
  features: [20, 4],
  wq_fd: [24, 4],
  sq_off: [40, 40],
  cq_off: [80, 40],
});

export const io_sqring_offsets = new Struct("io_sqring_offsets", 40, {
  head: [0, 4],
  tail: [4, 4],
  ring_mask: [8, 4],
  ring_entries: [12, 4],
  flags: [16, 4],
  dropped: [20, 4],
  array: [24, 4],
  user_addr: [32, 8],
});

export const io_cqring_offsets = new Struct("io_cqring_offsets", 40, {
  head: [0, 4],
  tail: [4, 4],
  ring_mask: [8, 4],
  ring_entries: [12, 4],
  overflow: [16, 4],
  cqes: [20, 4],
  flags: [24, 4],
  user_addr: [32, 8],
});

export const io_uring_getevents_arg = new Struct("io_uring_getevents_arg", 24, {
  sigmask: [0, 8],
  sigmask_sz: [8, 4],
  min_wait_usec: [12, 4],
  ts: [16, 8],
});

export const io_uring_rsrc_register = new Struct("io_uring_rsrc_register", 32, {
  nr: [0, 4],
  flags: [4, 4],
  resv2: [8, 8],
  data: [16, 8],
  tags: [24, 8],
});

export const io_uring_rsrc_update = new Struct("io_uring_rsrc_update", 16, { offset: [0, 4], resv: [4, 4], data: [8, 8] });

export const io_uring_rsrc_update2 = new Struct("io_uring_rsrc_update2", 32, {
  offset: [0, 4],
  resv: [4, 4],
  data: [8, 8],
  tags: [16, 8],
  nr: [24, 4],
  resv2: [28, 4],
});

export const io_uring_probe = new Struct("io_uring_probe", 16, { last_op: [0, 1], ops_len: [1, 1], resv: [2, 2], ops: [16, 0] });

export const io_uring_probe_op = new Struct("io_uring_probe_op", 8, { op: [0, 1], resv: [1, 1], flags: [2, 2], resv2: [4, 4] });

export const io_uring_query_hdr = new Struct("io_uring_query_hdr", 40, {
  next_entry: [0, 8],
  query_data: [8, 8],
  query_op: [16, 4],
  size: [20, 4],
  result: [24, 4],
});

export const io_uring_query_opcode = new Struct("io_uring_query_opcode", 48, {
  nr_request_opcodes: [0, 4],
  nr_register_opcodes: [4, 4],
  feature_flags: [8, 8],
  ring_setup_flags: [16, 8],
  enter_flags: [24, 8],
  sqe_flags: [32, 8],
  nr_query_opcodes: [40, 4],
});

export const io_uring_buf_reg = new Struct("io_uring_buf_reg", 40, {
  ring_addr: [0, 8],
  ring_entries: [8, 4],
  bgid: [12, 2],
  flags: [14, 2],
  min_left: [16, 4],
});

export const io_uring_buf = new Struct("io_uring_buf", 16, { addr: [0, 8], len: [8, 4], bid: [12, 2], resv: [14, 2] });

export const io_uring_attr_pi = new Struct("io_uring_attr_pi", 32, {
  flags: [0, 2],
  app_tag: [2, 2],
  len: [4, 4],
  addr: [8, 8],
  seed: [16, 8],
  rsvd: [24, 8],
});

export const io_uring_buf_status = new Struct("io_uring_buf_status", 40, { buf_group: [0, 4], head: [4, 4], resv: [8, 32] });

export const io_uring_recvmsg_out = new Struct("io_uring_recvmsg_out", 16, {
  namelen: [0, 4],
  controllen: [4, 4],
  payloadlen: [8, 4],
  flags: [12, 4],
});

export const msghdr = new Struct("msghdr", 56, {
  msg_name: [0, 8],
  msg_namelen: [8, 4],
  msg_iov: [16, 8],
  msg_iovlen: [24, 8],
  msg_control: [32, 8],
  msg_controllen: [40, 8],
  msg_flags: [48, 4],
});

export const cmsghdr = new Struct("cmsghdr", 16, { cmsg_len: [0, 8], cmsg_level: [8, 4], cmsg_type: [12, 4] });

export const iovec = new Struct("iovec", 16, { iov_base: [0, 8], iov_len: [8, 8] });

export const io_timespec = new Struct("io_timespec", 16, { tv_sec: [0, 8], tv_nsec: [8, 8] });

/** The SQE itself, for register operations that take one. */
export const io_uring_sqe = new Struct("io_uring_sqe", 64, {
  opcode: [0, 1],
  flags: [1, 1],
  fd: [4, 4],
  off: [8, 8],
  addr: [16, 8],
  len: [24, 4],
  msg_ring_flags: [28, 4],
  user_data: [32, 8],
  file_index: [44, 4],
  addr3: [48, 8],
});

export const io_uring_restriction = new Struct("io_uring_restriction", 16, {
  opcode: [0, 2],
  register_op: [2, 1],
  sqe_op: [2, 1],
  sqe_flags: [2, 1],
  resv: [3, 1],
});

export const io_uring_task_restriction = new Struct("io_uring_task_restriction", 16, {
  flags: [0, 2],
  nr_res: [2, 2],
  restrictions: [16, 0],
});

export const io_uring_clock_register = new Struct("io_uring_clock_register", 16, { clockid: [0, 4] });

export const io_uring_clone_buffers = new Struct("io_uring_clone_buffers", 32, {
  src_fd: [0, 4],
  flags: [4, 4],
  src_off: [8, 4],
  dst_off: [12, 4],
  nr: [16, 4],
});

export const io_uring_napi = new Struct("io_uring_napi", 16, {
  busy_poll_to: [0, 4],
  prefer_busy_poll: [4, 1],
  opcode: [5, 1],
  pad: [6, 2],
  op_param: [8, 4],
  resv: [12, 4],
});

export const io_uring_sync_cancel_reg = new Struct("io_uring_sync_cancel_reg", 64, {
  addr: [0, 8],
  fd: [8, 4],
  flags: [12, 4],
  timeout: [16, 16],
  opcode: [32, 1],
});

export const io_uring_file_index_range = new Struct("io_uring_file_index_range", 16, { off: [0, 4], len: [4, 4], resv: [8, 8] });

export const io_uring_files_update = new Struct("io_uring_files_update", 16, { offset: [0, 4], resv: [4, 4], fds: [8, 8] });

export const io_uring_region_desc = new Struct("io_uring_region_desc", 64, {
  user_addr: [0, 8],
  size: [8, 8],
  flags: [16, 4],
  id: [20, 4],
  mmap_offset: [24, 8],
});

export const io_uring_mem_region_reg = new Struct("io_uring_mem_region_reg", 32, { region_uptr: [0, 8], flags: [8, 8] });

export const io_uring_reg_wait = new Struct("io_uring_reg_wait", 64, {
  ts: [0, 16],
  min_wait_usec: [16, 4],
  flags: [20, 4],
  sigmask: [24, 8],
  sigmask_sz: [32, 4],
});

export const io_uring_zcrx_offsets = new Struct("io_uring_zcrx_offsets", 32, { head: [0, 4], tail: [4, 4], rqes: [8, 4] });

export const io_uring_zcrx_area_reg = new Struct("io_uring_zcrx_area_reg", 48, {
  addr: [0, 8],
  len: [8, 8],
  rq_area_token: [16, 8],
  flags: [24, 4],
  dmabuf_fd: [28, 4],
});

export const zcrx_event_desc = new Struct("zcrx_event_desc", 96, {
  user_data: [0, 8],
  type_mask: [8, 4],
  flags: [12, 4],
  stats_offset: [16, 8],
});

export const io_uring_zcrx_ifq_reg = new Struct("io_uring_zcrx_ifq_reg", 96, {
  if_idx: [0, 4],
  if_rxq: [4, 4],
  rq_entries: [8, 4],
  flags: [12, 4],
  area_ptr: [16, 8],
  region_ptr: [24, 8],
  offsets: [32, 32],
  zcrx_id: [64, 4],
  rx_buf_len: [68, 4],
  event_desc: [72, 8],
});

export const zcrx_ctrl_export = new Struct("zcrx_ctrl_export", 48, { zcrx_fd: [0, 4] });

export const zcrx_ctrl_arm_event = new Struct("zcrx_ctrl_arm_event", 48, { event_type: [0, 4] });

export const zcrx_ctrl = new Struct("zcrx_ctrl", 72, {
  zcrx_id: [0, 4],
  op: [4, 4],
  zc_export: [24, 48],
  zc_flush: [24, 48],
  zc_arm_event: [24, 48],
});

export const io_uring_query_zcrx = new Struct("io_uring_query_zcrx", 40, {
  register_flags: [0, 8],
  area_flags: [8, 8],
  nr_ctrl_opcodes: [16, 4],
  features: [20, 4],
  rq_hdr_size: [24, 4],
  rq_hdr_alignment: [28, 4],
});

export const io_uring_query_zcrx_event = new Struct("io_uring_query_zcrx_event", 48, {
  event_flags: [0, 4],
  stats_size: [4, 4],
  stats_off_alignment: [8, 4],
});

export const io_uring_query_scq = new Struct("io_uring_query_scq", 16, { hdr_size: [0, 8], hdr_alignment: [8, 8] });
