import { expect } from "bun:test";
import { Ring, type RingOptions } from "uring-ublk";
import { ringSyscalls } from "uring-ublk/ffi";
import { RawRing, type RingShape } from "uring-ublk/uring";
import { haveLiburing, kernelAtLeast, requires } from "../support/requires.ts";

/** A way to set a ring up that some kernel has, with a name for the tests' titles. */
export interface NamedShape {
  readonly name: string;
  readonly shape: RingShape;
  /** The first kernel that accepts it. */
  readonly since: string;
  /** It came after 6.18, which is what many machines have. */
  readonly newest: boolean;
  /** The flags that it must show in its record. */
  readonly flags: readonly string[];
}

type Row = readonly [name: string, since: string, shape: RingShape, ...flags: string[]];

const ENTRIES = 8;
const NEWEST = new Set(["6.19", "7.0"]);
const named = ([name, since, shape, ...flags]: Row): NamedShape => ({
  name,
  since,
  newest: NEWEST.has(since),
  flags,
  shape: { entries: ENTRIES, ...shape },
});

const SQPOLL = { idleMs: 20 };

/** Every shape that takes operations of all kinds; small, so that the queues fill up and wrap. */
export const SHAPES: readonly NamedShape[] = (
  [
    ["default", "5.18", {}, "SUBMIT_ALL"],
    ["taskrun defer", "6.1", { taskrun: "defer" }, "DEFER_TASKRUN", "SINGLE_ISSUER"],
    ["taskrun coop", "5.19", { taskrun: "coop" }, "COOP_TASKRUN", "TASKRUN_FLAG"],
    ["taskrun none", "5.18", { taskrun: "none" }],
    ["several issuers", "5.19", { singleIssuer: false }, "COOP_TASKRUN"],
    ["stops at a refused SQE", "5.1", { submitAll: false }],
    ["index array", "5.1", { sqArray: true }],
    ["SQ that starts over", "7.0", { rewind: true }, "SQ_REWIND", "NO_SQARRAY"],
    ["large CQ", "5.5", { cqEntries: 64 }, "CQSIZE"],
    ["CQ as small as the SQ", "5.5", { cqEntries: ENTRIES }, "CQSIZE"],
    ["one entry", "5.18", { entries: 1 }],
    ["clamped", "5.6", { clamp: true }, "CLAMP"],
    ["disabled at first", "5.10", { disabled: true }, "R_DISABLED"],

    ["SQPOLL", "5.13", { sqpoll: SQPOLL }, "SQPOLL"],
    ["SQPOLL with an index array", "5.13", { sqpoll: SQPOLL, sqArray: true }, "SQPOLL"],
    ["SQPOLL on CPU 0", "5.13", { sqpoll: { ...SQPOLL, cpu: 0 } }, "SQPOLL", "SQ_AFF"],
    ["SQPOLL, disabled at first", "5.13", { sqpoll: SQPOLL, disabled: true }, "SQPOLL", "R_DISABLED"],
    ["SQPOLL, SQEs of 128 and CQEs of 32 bytes", "5.19", { sqpoll: SQPOLL, sqe: 128, cqe: 32 }, "SQPOLL", "SQE128", "CQE32"],
    ["SQPOLL in own memory", "6.5", { sqpoll: SQPOLL, ownMemory: true }, "SQPOLL", "NO_MMAP"],
    ["SQPOLL, SQEs and CQEs of both sizes", "6.19", { sqpoll: SQPOLL, sqe: "mixed", cqe: "mixed" }, "SQPOLL", "SQE_MIXED", "CQE_MIXED"],

    ["SQEs of 128 bytes", "5.19", { sqe: 128 }, "SQE128"],
    ["CQEs of 32 bytes", "5.19", { cqe: 32 }, "CQE32"],
    ["SQEs of 128 and CQEs of 32 bytes", "5.19", { sqe: 128, cqe: 32 }, "SQE128", "CQE32"],
    ["SQEs of 128 bytes with an index array", "5.19", { sqe: 128, sqArray: true }, "SQE128"],
    ["CQEs of both sizes", "6.18", { cqe: "mixed" }, "CQE_MIXED"],
    ["SQEs of 128 and CQEs of both sizes", "6.18", { sqe: 128, cqe: "mixed" }, "SQE128", "CQE_MIXED"],
    ["SQEs of both sizes", "6.19", { sqe: "mixed" }, "SQE_MIXED"],
    ["SQEs of both sizes and CQEs of 32 bytes", "6.19", { sqe: "mixed", cqe: 32 }, "SQE_MIXED", "CQE32"],
    ["SQEs and CQEs of both sizes", "6.19", { sqe: "mixed", cqe: "mixed" }, "SQE_MIXED", "CQE_MIXED"],
    ["two entries of both sizes", "6.19", { entries: 2, sqe: "mixed", cqe: "mixed" }, "SQE_MIXED", "CQE_MIXED"],
    ["SQ that starts over, SQEs of 128 bytes", "7.0", { rewind: true, sqe: 128 }, "SQ_REWIND", "SQE128"],
    ["SQ that starts over, SQEs and CQEs of both sizes", "7.0", { rewind: true, sqe: "mixed", cqe: "mixed" }, "SQ_REWIND", "SQE_MIXED"],

    ["own memory", "6.5", { ownMemory: true }, "NO_MMAP"],
    ["own memory with an index array", "6.5", { ownMemory: true, sqArray: true }, "NO_MMAP"],
    ["own memory, SQEs of 128 and CQEs of 32 bytes", "6.5", { ownMemory: true, sqe: 128, cqe: 32 }, "NO_MMAP", "SQE128", "CQE32"],
    ["own memory, SQEs and CQEs of both sizes", "6.19", { ownMemory: true, sqe: "mixed", cqe: "mixed" }, "NO_MMAP", "SQE_MIXED"],
    ["own memory, SQ that starts over", "7.0", { ownMemory: true, rewind: true }, "NO_MMAP", "SQ_REWIND"],
    ["registered descriptor only", "6.5", { ownMemory: true, registeredFdOnly: true }, "NO_MMAP", "REGISTERED_FD_ONLY"],
    [
      "registered descriptor only, disabled at first",
      "6.5",
      { ownMemory: true, registeredFdOnly: true, disabled: true },
      "REGISTERED_FD_ONLY",
      "R_DISABLED",
    ],
    [
      "registered descriptor only, SQPOLL",
      "6.5",
      { ownMemory: true, registeredFdOnly: true, sqpoll: SQPOLL },
      "REGISTERED_FD_ONLY",
      "SQPOLL",
    ],
  ] satisfies Row[]
).map(named);

/** Every shape whose completions are found by polling the device. It takes reads and writes past the page cache, and little else. */
export const POLLED_SHAPES: readonly NamedShape[] = (
  [
    ["IOPOLL", "5.1", { iopoll: true }, "IOPOLL"],
    ["IOPOLL, taskrun defer", "6.1", { iopoll: true, taskrun: "defer" }, "IOPOLL", "DEFER_TASKRUN"],
    ["IOPOLL, taskrun coop", "5.19", { iopoll: true, taskrun: "coop" }, "IOPOLL", "COOP_TASKRUN"],
    ["IOPOLL, taskrun none", "5.1", { iopoll: true, taskrun: "none" }, "IOPOLL"],
    ["IOPOLL with an index array", "5.1", { iopoll: true, sqArray: true }, "IOPOLL"],
    ["IOPOLL, several issuers", "5.19", { iopoll: true, singleIssuer: false }, "IOPOLL"],
    ["IOPOLL, disabled at first", "5.10", { iopoll: true, disabled: true }, "IOPOLL", "R_DISABLED"],
    ["IOPOLL, one entry", "5.1", { iopoll: true, entries: 1 }, "IOPOLL"],
    ["IOPOLL, SQEs of 128 and CQEs of 32 bytes", "5.19", { iopoll: true, sqe: 128, cqe: 32 }, "IOPOLL", "SQE128", "CQE32"],
    ["IOPOLL, SQEs and CQEs of both sizes", "6.19", { iopoll: true, sqe: "mixed", cqe: "mixed" }, "IOPOLL", "SQE_MIXED", "CQE_MIXED"],
    ["IOPOLL, SQ that starts over", "7.0", { iopoll: true, rewind: true }, "IOPOLL", "SQ_REWIND"],
    ["IOPOLL in own memory", "6.5", { iopoll: true, ownMemory: true }, "IOPOLL", "NO_MMAP"],
    ["IOPOLL with SQPOLL", "5.13", { iopoll: true, sqpoll: SQPOLL }, "IOPOLL", "SQPOLL"],
    ["hybrid IOPOLL", "6.13", { iopoll: "hybrid" }, "IOPOLL", "HYBRID_IOPOLL"],
    ["hybrid IOPOLL with SQPOLL", "6.13", { iopoll: "hybrid", sqpoll: SQPOLL }, "IOPOLL", "HYBRID_IOPOLL", "SQPOLL"],
  ] satisfies Row[]
).map(named);

export type Provider = "libc" | "liburing";
export const PROVIDERS: readonly Provider[] = ["libc", "liburing"];

/** `test`, or a skip that says which kernel is missing. */
export function offered({ name, since }: NamedShape): typeof import("bun:test").test {
  return requires(kernelAtLeast(since), `'${name}' needs Linux ${since}`);
}

/** The same, also for a library that makes the ring's calls. */
export function offeredThrough(named: NamedShape, provider: Provider): typeof import("bun:test").test {
  return provider === "liburing" && !haveLiburing() ? requires(false, "needs liburing.so.2") : offered(named);
}

/** Expects the ring to be what was asked for. */
export function expectShape({ shape, flags }: NamedShape, { record }: Ring): void {
  const { entries = 0, cqEntries = entries * 2, sqe = 64, cqe = 16 } = shape;
  expect(record.flagNames).toEqual(expect.arrayContaining([...flags]));
  expect(record).toMatchObject({ sqEntries: entries, cqEntries, sqe, cqe });
  if (kernelAtLeast("6.6")) expect(record.refused).toEqual([]);
}

/** Opens a ring of the shape; one that starts disabled is enabled. */
export async function openRing({ shape }: NamedShape, options: RingOptions = {}): Promise<Ring> {
  const ring = await Ring.open({ ...shape, ...options });
  if (shape.disabled) ring.raw.register.enable();
  return ring;
}

/** The same on the raw layer. */
export function openRaw({ shape }: NamedShape, options: { provider?: Provider; slots?: number } = {}): RawRing {
  const { provider, ...rest } = options;
  const raw = new RawRing(shape, { ...rest, ...(provider === undefined ? {} : { syscalls: ringSyscalls(provider) }) });
  if (shape.disabled) raw.register.enable();
  return raw;
}
