/**
 * Disks ready to serve: {@link nullDisk}, {@link loop}, {@link memory}. Each can be called, for the calling thread, and has the
 * URL of its module, for Workers.
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
import type { LoopOptions } from "./loop/options.ts";
import loopTarget from "./loop.ts";
import memoryTarget, { type MemoryOptions } from "./memory.ts";
import nullTarget, { type NullOptions } from "./null.ts";

export type { BundledTarget } from "./bundled.ts";
export type { LoopBacking } from "./loop/backing.ts";
export type { LoopOptions } from "./loop/options.ts";
export type { MemoryOptions } from "./memory.ts";
export type { NullOptions } from "./null.ts";

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
