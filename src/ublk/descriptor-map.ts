import { PAGE_SIZE } from "../ffi/index.ts";
import { UBLK_MAX_QUEUE_DEPTH } from "./abi.ts";
import type { DeviceInfo } from "./info.ts";

/** `UBLK_F_IO_DESC_SIZE` (Linux 7.3): the device's descriptors have the size that ADD_DEV asked for. */
export const IO_DESC_SIZE = 0x10_0000;
/** Bytes of `struct ublksrv_io_desc`: a descriptor, unless more were asked for. */
export const DESCRIPTOR_BYTES = 24;

const wholePages = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;

/** Where the descriptors of a queue are in the char device, for mmap(2), and how far they are apart. */
export interface DescriptorMap {
  /** Where the queue's mapping starts. */
  readonly offset: number;
  /** Its length: exactly this, or the kernel refuses it. */
  readonly length: number;
  /** From one tag's descriptor to the next, in bytes. */
  readonly stride: number;
}

/**
 * Where the descriptors of a queue are to be mapped from (PROT_READ, MAP_SHARED). The queues' places are as far apart as those of the deepest
 * queue would be, whatever the depth.
 */
export function descriptorMap(
  { depth, descriptorBytes = DESCRIPTOR_BYTES }: Pick<DeviceInfo, "depth"> & Partial<Pick<DeviceInfo, "descriptorBytes">>,
  queue: number,
): DescriptorMap {
  return {
    offset: queue * wholePages(UBLK_MAX_QUEUE_DEPTH * descriptorBytes),
    length: wholePages(depth * descriptorBytes),
    stride: descriptorBytes,
  };
}
