/**
 * Disks ready to serve: {@link nullDisk}, {@link loop}, {@link memory}, {@link stripe}, {@link mirror}, {@link zoned}, {@link integrity}, {@link nbd}. Each can be called,
 * for the calling thread, and has the URL of its module, for Workers.
 *
 * @example
 * ```ts
 * import { serve } from "uring-ublk";
 * import { memory } from "uring-ublk/targets";
 * await using here = await serve(memory({ size: "64 MiB" }));
 * await using inWorkers = await serve(memory.url, { queues: 1, options: { size: "64 MiB" } });
 * console.log(here.path, inWorkers.path); // /dev/ublkb0 /dev/ublkb1
 * ```
 *
 * @module
 */
import { type BundledTarget, bundle } from "./bundled.ts";
import type { IntegrityOptions } from "./integrity/options.ts";
import integrityTarget from "./integrity.ts";
import type { LoopOptions } from "./loop/options.ts";
import loopTarget from "./loop.ts";
import memoryTarget, { type MemoryOptions } from "./memory.ts";
import type { MirrorOptions } from "./mirror/options.ts";
import mirrorTarget from "./mirror.ts";
import type { NbdOptions } from "./nbd/options.ts";
import nbdTarget from "./nbd.ts";
import nullTarget, { type NullOptions } from "./null.ts";
import type { StripeOptions } from "./stripe/options.ts";
import stripeTarget from "./stripe.ts";
import type { ZonedOptions } from "./zoned/options.ts";
import zonedTarget from "./zoned.ts";

export type { BundledTarget } from "./bundled.ts";
export type { FileOptions } from "./files/options.ts";
export type { IntegrityOptions } from "./integrity/options.ts";
export type { LoopBacking } from "./loop/backing.ts";
export type { LoopOptions } from "./loop/options.ts";
export type { MemoryOptions } from "./memory.ts";
export type { FailedLeg } from "./mirror/health.ts";
export type { MirrorOptions } from "./mirror/options.ts";
export type { NbdOptions } from "./nbd/options.ts";
export type { NullOptions } from "./null.ts";
export type { StripeOptions } from "./stripe/options.ts";
export type { ZonedOptions } from "./zoned/options.ts";

/**
 * A disk without contents: every request succeeds at once. For measuring the path to it.
 *
 * @example
 * ```ts
 * import { serve } from "uring-ublk";
 * import { nullDisk } from "uring-ublk/targets";
 * await using disk = await serve(nullDisk({ size: "1 GiB" }));
 * console.log(disk.path); // /dev/ublkb0
 * ```
 */
export const nullDisk: BundledTarget<NullOptions | undefined> = bundle("null", nullTarget);

/**
 * A file or a block device as a disk. Data moves by operations of the queue's own ring, without a copy where the kernel can lend
 * its pages (6.16). The file is locked while it is served; a device that is mounted or otherwise in use is refused.
 *
 * @example
 * ```ts
 * import { serve } from "uring-ublk";
 * import { loop } from "uring-ublk/targets";
 * const path = `/tmp/uring-ublk-loop-${process.pid}.img`;
 * await using disk = await serve(loop({ path, create: "64 MiB" }));
 * console.log(disk.mode); // auto-buf-reg, or copy before Linux 6.16
 * ```
 */
export const loop: BundledTarget<LoopOptions> = bundle("loop", loopTarget);

/**
 * A disk in this process's memory, shared by all serving threads. Memory is taken page by page as it is written, and given back
 * by discards; the contents are gone with the process.
 *
 * @example
 * ```ts
 * import { serve } from "uring-ublk";
 * import { memory } from "uring-ublk/targets";
 * await using disk = await serve(memory({ size: "5 GiB" }));
 * console.log(disk.params?.size); // 5368709120
 * ```
 */
export const memory: BundledTarget<MemoryOptions> = bundle("memory", memoryTarget);

/**
 * Several files or block devices as one disk (RAID-0): its bytes lie in chunks, one file after the other. As large as all together, as fast
 * as they are side by side, and lost with any of them. Each file has the size of the smallest, in whole chunks. A request is one operation
 * on each file that it touches, vectored where it touches several chunks there. Files are opened and locked as {@link loop} does.
 *
 * @example
 * ```ts
 * import { serve } from "uring-ublk";
 * import { stripe } from "uring-ublk/targets";
 * const paths = [0, 1].map((i) => `/tmp/uring-ublk-stripe-${process.pid}-${i}.img`);
 * await using disk = await serve(stripe({ paths, create: "32 MiB", chunk: "128 KiB" }));
 * console.log(disk.params?.size); // 67108864
 * ```
 */
export const stripe: BundledTarget<StripeOptions> = bundle("stripe", stripeTarget);

/**
 * Several files or block devices that hold the same, as one disk (RAID-1). A write goes to all legs side by side and is acknowledged when
 * all are through; reads are spread over them, and one that fails is repeated on another leg. Files are opened and locked as {@link loop}
 * does.
 *
 * A leg that misses a write, or a flush, is out of date: no thread uses it any more, and the disk goes on with the others. That is told by
 * `degraded` on the thread that called `serve`, which watches words that all serving threads share; without `degraded`, by an error in
 * the disk's `requesterror` event, whose request has succeeded. The last leg stays: what fails on it fails its request with EIO.
 *
 * Nothing about that is written to the files. Before a mirror is served again, and after a crash, copy a good leg over the others.
 *
 * @example
 * ```ts
 * import { serve } from "uring-ublk";
 * import { mirror } from "uring-ublk/targets";
 * const paths = [0, 1].map((i) => `/tmp/uring-ublk-mirror-${process.pid}-${i}.img`);
 * const degraded = ({ path, error }: { path: string; error: Error }) => console.error(`${path} is out of date`, error);
 * await using disk = await serve(mirror.url, { queues: 2, options: { paths, create: "32 MiB", degraded } });
 * console.log(disk.params?.size); // 33554432
 * ```
 */
export const mirror: BundledTarget<MirrorOptions> = bundle("mirror", mirrorTarget);

/**
 * A zoned disk (host-managed, Linux 6.6) in memory, or in a file with a table of its zones beside it: sequential zones with write pointers,
 * explicit and implicit opening, limits of open and active zones, appends, and conventional zones at the start if wanted. Zones are given back by
 * a reset, in memory and in the file. A file and its table are locked while they are served.
 *
 * What is written survives the end of the process; after a power failure everything up to the last flush is there, and no write pointer lies behind
 * what is. A reset is durable when it is done. Zones that were open are closed after a restart.
 *
 * @example
 * ```ts
 * import { serve } from "uring-ublk";
 * import { zoned } from "uring-ublk/targets";
 * await using disk = await serve(zoned({ size: "64 MiB", zoneSize: "4 MiB", conventional: 2, maxOpen: 4 }));
 * console.log(await Bun.$`blkzone capacity ${disk.path}`.text()); // 0x000020000
 * ```
 */
export const zoned: BundledTarget<ZonedOptions> = bundle("zoned", zonedTarget);

/**
 * A file as a disk whose blocks have protection information (Linux 7.0), in a file of its own: a tuple of guard, application and reference tag for
 * each. The kernel makes the tuples of what clients write and checks those of what they read: a block that has become another in the file, or
 * lies in another's place, is EILSEQ at the client that reads it. What was never written is not checked. Data and metadata are two writes:
 * where power fails between them, a block that was being written may be EILSEQ afterwards.
 *
 * @example
 * ```ts
 * import { serve } from "uring-ublk";
 * import { integrity } from "uring-ublk/targets";
 * const path = `/tmp/uring-ublk-integrity-${process.pid}.img`;
 * const disk = await serve(integrity({ path, create: "16 MiB" })).catch((error: Error) => error);
 * if (!(disk instanceof Error)) await disk.stop(); // before Linux 7.0 it is a UblkError that says so
 * ```
 */
export const integrity: BundledTarget<IntegrityOptions> = bundle("integrity", integrityTarget);

/**
 * A disk over TCP: the export of an NBD server (nbd-server, qemu-nbd, nbdkit, or `examples/nbd-server`). Each queue has a connection of its own,
 * on which requests are pipelined. A WRITE's data is sent without a copy (`IORING_OP_SEND_ZC`), and a READ's received straight into the
 * request: into the client's own pages where the kernel can (after 6.18; before, by way of memory).
 *
 * What the server says it can do is what the disk can do: flush, FUA, discard, write zeroes. With several queues it must say that a flush
 * covers all connections. Only the fixed newstyle negotiation with NBD_OPT_GO is spoken, and no TLS: over other people's networks put it in
 * a tunnel.
 *
 * A server that closes, says nonsense, or does not answer for `timeoutMs` fails what is under way with EIO; the `requesterror` event tells
 * why, once. Later requests wait for a new connection, for up to `timeoutMs`.
 *
 * @example
 * ```ts
 * import { serve } from "uring-ublk";
 * import { nbd } from "uring-ublk/targets";
 * const port = 1; // where nobody listens
 * const problem = await serve(nbd({ host: "127.0.0.1", port, timeoutMs: 1000 })).catch((error: Error) => error.message);
 * console.log(problem); // nbd: server '127.0.0.1:1': EIO (io_uring connect: ECONNREFUSED)
 * ```
 */
export const nbd: BundledTarget<NbdOptions> = bundle("nbd", nbdTarget);
