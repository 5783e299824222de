/** How a disk is served: what the driver does not know, or serve would refuse at once, does not compile. */
import { type ModeExplanation, type ServeOptions, serve, type UblkDevice } from "uring-ublk";
import { memory } from "uring-ublk/targets";
import { expectType, type Same } from "./expect-type.ts";

const target = { size: 4096, read: (_: Uint8Array): void => {} };

const served = serve(target, { batch: true, lockMemory: true, sharedMemory: true });
expectType<Same<typeof served, Promise<UblkDevice>>>();
serve(target, { mode: "zero-copy", registration: "optimistic" });
serve<{ size: string }>(memory.url, { threads: 2, options: { size: "16 MiB" } });

// @ts-expect-error a number of threads
serve(target, { threads: "2" });
// @ts-expect-error it is asked for, or not
serve(target, { batch: 1 });
// @ts-expect-error no way to register pages
serve(target, { mode: "zero-copy", registration: "early" });
// @ts-expect-error no data mode
serve(target, { mode: "zerocopy" });
// @ts-expect-error memory is locked or not, not so much of it
serve(target, { lockMemory: "64 MiB" });
// @ts-expect-error the disk shares memory by shareMemory()
serve(target, { sharedMemory: { size: 4096 } });
// @ts-expect-error threads, in the plural
serve(target, { thread: 2 });

declare const disk: UblkDevice;
const explained = disk.explain();
expectType<Same<typeof explained, ModeExplanation>>();
expectType<Same<typeof explained.batch.used, boolean>>();
// @ts-expect-error the memory has a size, or is a file's
disk.shareMemory({ length: 4096 });
// @ts-expect-error what was chosen is told, not set
disk.explain().batch.used = true;

const options: ServeOptions<never> = {};
options.registration = "linked";
// @ts-expect-error a data mode is no way to register pages
options.registration = "need-get-data";

serve(target, { unprivileged: true });
serve(target, { unprivileged: true, mode: "need-get-data", batch: true, recovery: "none" });
serve<{ size: string }>(memory.url, { unprivileged: true, options: { size: "16 MiB" } });
// @ts-expect-error the kernel lends no pages to users
serve(target, { unprivileged: true, mode: "auto-buf-reg" });
// @ts-expect-error nor may they copy themselves
serve(target, { unprivileged: true, mode: "user-copy" });
// @ts-expect-error a user's disk goes with its server
serve(target, { unprivileged: true, recovery: "queue" });
// @ts-expect-error no pages, so nothing to register
serve(target, { unprivileged: true, registration: "linked" });
