import { SystemError, sys } from "../ffi/index.ts";

const PR_SET_IO_FLUSHER = 57; // 5.6

/**
 * Tells the kernel that block I/O waits for the calling thread (`prctl(2)`, `PR_SET_IO_FLUSHER`): memory that the thread needs is found
 * without writing anything back, which could be for the very disk that it serves, and its own writes are not slowed down for the dirty
 * pages of others. Threads and processes that it starts inherit that, so it is for threads that do nothing else. Without CAP_SYS_RESOURCE
 * nothing happens.
 */
export function becomeIoFlusher(): void {
  try {
    sys.prctl(PR_SET_IO_FLUSHER, 1);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "EPERM") throw error;
  }
}
