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
  /** The flags that it must show in its record. */
  readonly flags: readonly string[];
  /** A polled ring takes reads from files opened for polling only, which a test machine rarely has: nothing but NOPs. */
  readonly nopsOnly?: boolean;
}

const ENTRIES = 8;

/** Every shape, small, so that the queues fill up and wrap. */
export const SHAPES: readonly NamedShape[] = [
  { name: "default", since: "5.18", flags: ["SUBMIT_ALL"], shape: {} },
  {
    name: "taskrun defer",
    since: "6.1",
    flags: ["DEFER_TASKRUN", "SINGLE_ISSUER"],
    shape: { taskrun: "defer" },
  },
  {
    name: "taskrun coop",
    since: "5.19",
    flags: ["COOP_TASKRUN", "TASKRUN_FLAG"],
    shape: { taskrun: "coop" },
  },
  { name: "taskrun none", since: "5.18", flags: [], shape: { taskrun: "none" } },
  { name: "several issuers", since: "5.19", flags: ["COOP_TASKRUN"], shape: { singleIssuer: false } },
  { name: "stops at a refused SQE", since: "5.1", flags: [], shape: { submitAll: false } },
  { name: "SQPOLL", since: "5.13", flags: ["SQPOLL"], shape: { sqpoll: { idleMs: 20 } } },
  {
    name: "SQPOLL with an index array",
    since: "5.13",
    flags: ["SQPOLL"],
    shape: { sqpoll: { idleMs: 20 }, sqArray: true },
  },
  {
    name: "SQPOLL on CPU 0",
    since: "5.13",
    flags: ["SQPOLL", "SQ_AFF"],
    shape: { sqpoll: { idleMs: 20, cpu: 0 } },
  },
  { name: "index array", since: "5.1", flags: [], shape: { sqArray: true } },
  { name: "SQEs of 128 bytes", since: "5.19", flags: ["SQE128"], shape: { sqe: 128 } },
  { name: "CQEs of 32 bytes", since: "5.19", flags: ["CQE32"], shape: { cqe: 32 } },
  {
    name: "SQEs of 128 and CQEs of 32 bytes",
    since: "5.19",
    flags: ["SQE128", "CQE32"],
    shape: { sqe: 128, cqe: 32 },
  },
  { name: "CQEs of both sizes", since: "6.18", flags: ["CQE_MIXED"], shape: { cqe: "mixed" } },
  { name: "SQEs of both sizes", since: "6.19", flags: ["SQE_MIXED"], shape: { sqe: "mixed" } },
  { name: "own memory", since: "6.5", flags: ["NO_MMAP"], shape: { ownMemory: true } },
  {
    name: "own memory, SQEs of 128 and CQEs of 32 bytes",
    since: "6.5",
    flags: ["NO_MMAP", "SQE128", "CQE32"],
    shape: { ownMemory: true, sqe: 128, cqe: 32 },
  },
  {
    name: "registered descriptor only",
    since: "6.5",
    flags: ["NO_MMAP", "REGISTERED_FD_ONLY"],
    shape: { ownMemory: true, registeredFdOnly: true },
  },
  { name: "SQ that starts over", since: "7.0", flags: ["SQ_REWIND", "NO_SQARRAY"], shape: { rewind: true } },
  { name: "large CQ", since: "5.5", flags: ["CQSIZE"], shape: { cqEntries: 64 } },
  { name: "CQ as small as the SQ", since: "5.5", flags: ["CQSIZE"], shape: { cqEntries: ENTRIES } },
  { name: "one entry", since: "5.18", flags: [], shape: { entries: 1 } },
  { name: "clamped", since: "5.6", flags: ["CLAMP"], shape: { clamp: true } },
  { name: "disabled at first", since: "5.10", flags: ["R_DISABLED"], shape: { disabled: true } },
  { name: "IOPOLL", since: "5.1", flags: ["IOPOLL"], shape: { iopoll: true }, nopsOnly: true },
  {
    name: "hybrid IOPOLL",
    since: "6.13",
    flags: ["IOPOLL", "HYBRID_IOPOLL"],
    shape: { iopoll: "hybrid" },
    nopsOnly: true,
  },
].map((named) => ({ ...named, shape: { entries: ENTRIES, ...named.shape } as RingShape }));

export type Provider = "libc" | "liburing";
export const PROVIDERS: readonly Provider[] = ["libc", "liburing"];

/** `test`, or a skip that says which kernel or library is missing. */
export function offered({ name, since }: NamedShape, provider: Provider): typeof import("bun:test").test {
  if (provider === "liburing" && !haveLiburing()) return requires(false, "needs liburing.so.2");
  return requires(kernelAtLeast(since), `'${name}' needs Linux ${since}`);
}

/** Opens a ring of the shape; one that starts disabled is enabled. */
export async function openRing({ shape }: NamedShape, provider: Provider, options: RingOptions = {}): Promise<Ring> {
  const ring = await Ring.open({ ...shape, syscalls: ringSyscalls(provider), ...options });
  if (shape.disabled) ring.raw.register.enable();
  return ring;
}

/** The same on the raw layer. */
export function openRaw({ shape }: NamedShape, provider: Provider): RawRing {
  const raw = new RawRing(shape, { syscalls: ringSyscalls(provider) });
  if (shape.disabled) raw.register.enable();
  return raw;
}
