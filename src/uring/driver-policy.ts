/** How a thread drives a ring. */
export interface DriverPolicy {
  /** The thread exists to serve this ring: it may block in enter. Otherwise the event loop is the caller's and is never blocked. */
  readonly serving: boolean;
  /** A serving thread takes no real turn of its event loop between batches: nothing it runs needs one. */
  readonly synchronous?: boolean;
  /** A synchronous thread's wait ends every 50 ms even so: it may count on completions that turn out to be others than it waits for. */
  readonly pulse?: boolean;
  /** Whether something outside the ring is awaited (a handler's fetch, a timer): only the event loop advances it. */
  readonly awaiting?: () => boolean;
}
