import { Arena, addressOf, PAGE_SIZE } from "../../ffi/index.ts";
import * as abi from "../abi.ts";
import { checkBoolean, checkInteger, checkKnown } from "../options.ts";
import { io_uring_buf, io_uring_buf_reg, io_uring_buf_status, io_uring_mem_region_reg, io_uring_region_desc } from "../structs.ts";
import { FileRegistrations } from "./files.ts";

/** What {@link MemoryRegistrations.memoryRegion} is told. */
export interface MemoryRegionOptions {
  /** Page-aligned memory of the caller, which must outlive the ring. Left out, the kernel allocates, and the region is mapped. */
  address?: number;
  /** Bytes, a multiple of the page size. */
  length: number;
  /** The region holds wait arguments (`IORING_MEM_REGION_REG_WAIT_ARG`): the ring must be disabled still. */
  waits?: boolean;
}

/** Memory that the ring shares with the kernel: rings of provided buffers, and the parameter region. */
export class MemoryRegistrations extends FileRegistrations {
  /**
   * `IORING_REGISTER_PBUF_RING` (5.19): a ring of provided buffers in memory of the caller, or without one, and with
   * `IOU_PBUF_RING_MMAP` (6.4), of the kernel.
   */
  bufferRing(group: number, memory: Arena | undefined, entries: number, flags = 0, minLeft = 0): void {
    const arg = io_uring_buf_reg.build({ ring_addr: memory?.address ?? 0, ring_entries: entries, bgid: group, flags, min_left: minLeft });
    const hint =
      minLeft > 0
        ? "EINVAL: minLeft needs Linux 7.1 or a late 6.18"
        : flags === 0
          ? "EEXIST: the group number is taken"
          : "EINVAL: incremental needs Linux 6.12, kernelMemory 6.4; EEXIST: the group number is taken";
    this.call("buffer ring", abi.IORING_REGISTER_PBUF_RING, arg, 1, hint);
  }

  /** Maps the entries of a buffer ring that the kernel allocated. */
  mapBufferRing(group: number, entries: number): Arena {
    const { fd, registered } = this.self;
    if (registered) throw new TypeError("a ring with only a registered descriptor cannot map kernelMemory");
    return Arena.map(fd, abi.IORING_OFF_PBUF_RING + group * 2 ** abi.IORING_OFF_PBUF_SHIFT, entries * io_uring_buf.size);
  }

  /** `IORING_UNREGISTER_PBUF_RING` (5.19). */
  unregisterBufferRing(group: number): void {
    this.call("unregister buffer ring", abi.IORING_UNREGISTER_PBUF_RING, io_uring_buf_reg.build({ bgid: group }), 1);
  }

  /** `IORING_REGISTER_PBUF_STATUS` (6.8): how many buffers of a group the kernel has used up, modulo 65536. */
  bufferRingHead(group: number): number {
    const status = io_uring_buf_status.build({ buf_group: group });
    this.call("buffer ring status", abi.IORING_REGISTER_PBUF_STATUS, status, 1, "EINVAL: it needs Linux 6.8");
    return io_uring_buf_status.get(status, "head");
  }

  /**
   * `IORING_REGISTER_MEM_REGION` (6.13): the ring's parameter region, one per ring: wait arguments, or what a BPF program of the ring
   * reads. Answers the offset to map it at where the kernel allocated it, 0 for memory of the caller.
   */
  memoryRegion(options: MemoryRegionOptions): number {
    const what = "memoryRegion";
    checkKnown(what, options, ["address", "length", "waits"]);
    const { address = 0, length, waits = false } = options;
    checkInteger(what, "address", address, 0, Number.MAX_SAFE_INTEGER);
    checkInteger(what, "length", length, PAGE_SIZE, 2 ** 32);
    checkBoolean(what, "waits", waits);
    if (address % PAGE_SIZE !== 0) throw new RangeError(`memoryRegion: address is ${address}; it must be a multiple of ${PAGE_SIZE}`);
    if (length % PAGE_SIZE !== 0) throw new RangeError(`memoryRegion: length is ${length}; it must be a multiple of ${PAGE_SIZE}`);
    const region = io_uring_region_desc.build({
      user_addr: address,
      size: length,
      flags: address === 0 ? 0 : abi.IORING_MEM_REGION_TYPE_USER,
    });
    this.held = region;
    const arg = io_uring_mem_region_reg.build({
      region_uptr: addressOf(region),
      flags: waits ? abi.IORING_MEM_REGION_REG_WAIT_ARG : 0,
    });
    this.call(
      "memory region",
      abi.IORING_REGISTER_MEM_REGION,
      arg,
      1,
      "EBUSY: the ring has one; EINVAL: waits need a ring that is disabled still, or the kernel is older than 6.13",
    );
    return address === 0 ? io_uring_region_desc.get(region, "mmap_offset") : 0;
  }
}
