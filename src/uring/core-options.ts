import type { RingSyscalls } from "../ffi/index.ts";

/** Options of a {@link RingCore} besides its shape. */
export interface RingCoreOptions {
  /** Positions 0..n-1 of the SQE array are permanent templates; needs `sqArray`. */
  templates?: number;
  /** Slots for operations in flight; default the CQ's entries. */
  slots?: number;
  /** Slots beyond those, for cancels: an abort must not wait behind what it aborts. Default none. */
  spareSlots?: number;
  /** Enter through a registered ring descriptor (`IORING_REGISTER_RING_FDS`, 5.18). Default true; recorded if refused. */
  registerRingFd?: boolean;
  /**
   * Waits with a time limit through registered memory (`IORING_REGISTER_MEM_REGION` with `REG_WAIT_ARG`, 6.13), which the kernel need
   * not copy. Default false.
   */
  registeredWaits?: boolean;
  /** The system calls to use. */
  syscalls?: RingSyscalls;
}
