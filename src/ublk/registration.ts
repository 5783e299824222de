import type { DataMode } from "./data-mode.ts";

/**
 * When the pages of a request are registered in the ring's buffer table, in mode `"zero-copy"` (`UBLK_IO_REGISTER_IO_BUF`, Linux 6.15):
 *
 * - `"staged"`: before the target sees the request. The kernel guarantees the order, at the price of one more round through the ring.
 * - `"linked"`: right in front of the first operation on them, linked to it: the kernel guarantees the order for that one, and one submission
 *   carries both. For targets that start one operation for each request; others that are started with it go as with `"optimistic"`.
 * - `"optimistic"`: right in front of the first operation, without a link. Operations of one submission begin in their order as long as
 *   nothing on the ring drains or is forced to a worker thread: that is what the kernel does, and not what it promises.
 *
 * With the last two, a request whose operations met no pages (EFAULT), or whose registration failed, is handed to the target a second time,
 * in the first way: the target must not mind to do again what it did in part. Every tag has a slot of its own, which nothing else of this
 * library uses: an operation meets its own request's pages or none.
 */
export type Registration = "staged" | "linked" | "optimistic";

/** Every way, the usual one first. */
export const REGISTRATIONS: readonly Registration[] = ["staged", "linked", "optimistic"];

/** Refuses a way to register pages where none are registered by hand. */
export function checkRegistration(registration: Registration | undefined, mode: DataMode): void {
  if (registration === undefined || mode === "zero-copy") return;
  throw new TypeError(
    `serve: registration is '${registration}', but the mode is '${mode}', where the server registers no pages; use mode: 'zero-copy', or leave registration out`,
  );
}
