import { Arena, addressOf, errnoName, type RingSyscalls, sys } from "../ffi/index.ts";
import * as abi from "./abi.ts";
import { UringError } from "./error.ts";
import { CQ_LIMIT, checkShape, checkTemplates, ENTRIES, type RingShape, SQ_LIMIT } from "./shape.ts";
import { io_cqring_offsets, io_sqring_offsets, io_uring_params } from "./structs.ts";

export { type RingShape, shapeOptions } from "./shape.ts";

/** What was set up: the record of what was asked of the kernel, what it refused, and what it answered. */
export interface RingRecord {
  /** The ring's descriptor; its registered index with `registeredFdOnly`. */
  readonly fd: number;
  /** SQEs in the submission queue, as the kernel rounded them. */
  readonly sqEntries: number;
  /** CQEs in the completion queue, as the kernel rounded them. */
  readonly cqEntries: number;
  /** Bytes in an SQE, or both sizes. */
  readonly sqe: 64 | 128 | "mixed";
  /** Bytes in a CQE, or both sizes. */
  readonly cqe: 16 | 32 | "mixed";
  /** The `IORING_SETUP_*` flags in force, as a mask. */
  readonly flags: number;
  /** The same by name, without the prefix. */
  readonly flagNames: readonly string[];
  /** `IORING_FEAT_*` of the kernel. */
  readonly features: number;
  /** Flags that would have been better and that this kernel refused, oldest kernel that has them first. */
  readonly refused: readonly { flag: string; since: string; code: string }[];
  /** Which library made the system calls. */
  readonly syscalls: "liburing" | "libc";
}

/** Flags chosen for the caller, given up in this order when setup answers EINVAL: newest first. */
const OPTIONAL: readonly { bit: number; name: string; since: string; instead?: number }[] = [
  { bit: abi.IORING_SETUP_NO_SQARRAY, name: "NO_SQARRAY", since: "6.6" },
  { bit: abi.IORING_SETUP_DEFER_TASKRUN, name: "DEFER_TASKRUN", since: "6.1", instead: abi.IORING_SETUP_COOP_TASKRUN },
  { bit: abi.IORING_SETUP_SINGLE_ISSUER, name: "SINGLE_ISSUER", since: "6.0" },
  { bit: abi.IORING_SETUP_COOP_TASKRUN, name: "COOP_TASKRUN", since: "5.19" },
  { bit: abi.IORING_SETUP_SUBMIT_ALL, name: "SUBMIT_ALL", since: "5.18" },
];

interface Wanted {
  /** Asked for by the caller: a refusal is an error. */
  required: number;
  /** Chosen for the caller: a refusal is recorded and stepped down from. */
  optional: number;
}

function taskrunFlags(shape: RingShape): Wanted {
  const { taskrun, sqpoll, singleIssuer = true } = shape;
  if (sqpoll) {
    if (taskrun !== undefined && taskrun !== "none") {
      throw new TypeError(`ring: taskrun is '${taskrun}', which SQPOLL excludes; leave it out or use 'none'`);
    }
    return { required: 0, optional: singleIssuer ? abi.IORING_SETUP_SINGLE_ISSUER : 0 };
  }
  if (!singleIssuer && taskrun === "defer") throw new TypeError("ring: taskrun 'defer' needs singleIssuer");
  const single = singleIssuer ? abi.IORING_SETUP_SINGLE_ISSUER : 0;
  switch (taskrun) {
    case "defer":
      return { required: abi.IORING_SETUP_DEFER_TASKRUN | abi.IORING_SETUP_SINGLE_ISSUER, optional: 0 };
    case "coop":
      return { required: abi.IORING_SETUP_COOP_TASKRUN | abi.IORING_SETUP_TASKRUN_FLAG, optional: single };
    case "none":
      return { required: 0, optional: single };
    default:
      return { required: 0, optional: single === 0 ? abi.IORING_SETUP_COOP_TASKRUN : single | abi.IORING_SETUP_DEFER_TASKRUN };
  }
}

function wantedFlags(shape: RingShape): Wanted {
  const wanted = taskrunFlags(shape);
  const require = (condition: unknown, flag: number): void => {
    if (condition) wanted.required |= flag;
  };
  require(shape.sqe === 128, abi.IORING_SETUP_SQE128);
  require(shape.sqe === "mixed", abi.IORING_SETUP_SQE_MIXED);
  require(shape.cqe === 32, abi.IORING_SETUP_CQE32);
  require(shape.cqe === "mixed", abi.IORING_SETUP_CQE_MIXED);
  require(shape.cqEntries !== undefined, abi.IORING_SETUP_CQSIZE);
  require(shape.clamp, abi.IORING_SETUP_CLAMP);
  require(shape.disabled, abi.IORING_SETUP_R_DISABLED);
  require(shape.attachTo !== undefined, abi.IORING_SETUP_ATTACH_WQ);
  require(shape.ownMemory, abi.IORING_SETUP_NO_MMAP);
  require(shape.registeredFdOnly, abi.IORING_SETUP_REGISTERED_FD_ONLY);
  require(shape.rewind, abi.IORING_SETUP_SQ_REWIND | abi.IORING_SETUP_NO_SQARRAY);
  require(shape.sqpoll, abi.IORING_SETUP_SQPOLL);
  require(typeof shape.sqpoll === "object" && shape.sqpoll.cpu !== undefined, abi.IORING_SETUP_SQ_AFF);
  require(shape.iopoll, abi.IORING_SETUP_IOPOLL);
  require(shape.iopoll === "hybrid", abi.IORING_SETUP_HYBRID_IOPOLL);
  if (shape.submitAll !== false) wanted.optional |= abi.IORING_SETUP_SUBMIT_ALL;
  if (!shape.sqArray && !shape.rewind) wanted.optional |= abi.IORING_SETUP_NO_SQARRAY;
  return wanted;
}

function flagNames(flags: number): string[] {
  return Object.entries(abi)
    .filter(([name, value]) => name.startsWith("IORING_SETUP_") && typeof value === "number" && (flags & value) === value)
    .map(([name]) => name.slice("IORING_SETUP_".length));
}

/** The memory of a ring: one region with both queues' indexes and CQEs, and the SQE array. */
export interface RingMemory {
  /** Both queues' indexes and the CQEs. */
  readonly rings: Arena;
  /** The SQE array. */
  readonly sqes: Arena;
  /** `struct io_uring_params`, as the kernel answered it. */
  readonly params: DataView;
}

function parameters(shape: RingShape, flags: number): DataView<ArrayBuffer> {
  const sqpoll = typeof shape.sqpoll === "object" ? shape.sqpoll : {};
  return io_uring_params.build({
    flags,
    cq_entries: shape.cqEntries ?? 0,
    sq_thread_idle: sqpoll.idleMs ?? 0,
    sq_thread_cpu: sqpoll.cpu ?? 0,
    wq_fd: shape.attachTo ?? 0,
  });
}

/** What the kernel makes of a number of entries. */
export const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(n));

/** Memory for a NO_MMAP ring: sized for the entries that the kernel will round to. */
export function ownMemory(shape: RingShape, params: DataView): Omit<RingMemory, "params"> {
  const sq = Math.min(powerOfTwo(shape.entries ?? ENTRIES), SQ_LIMIT);
  const cq = Math.min(powerOfTwo(shape.cqEntries ?? sq * 2), CQ_LIMIT);
  const rings = Arena.allocate(4096 + cq * (shape.cqe === 32 ? 32 : 16) + sq * 4, { populate: true });
  const sqes = Arena.allocate(sq * (shape.sqe === 128 ? 128 : 64), { populate: true });
  io_sqring_offsets.set(params, "user_addr", sqes.address, io_uring_params.fields.sq_off[0]);
  io_cqring_offsets.set(params, "user_addr", rings.address, io_uring_params.fields.cq_off[0]);
  return { rings, sqes };
}

export function mapRing(fd: number, params: DataView, flags: number): Omit<RingMemory, "params"> {
  const sqEntries = io_uring_params.get(params, "sq_entries");
  const cqEntries = io_uring_params.get(params, "cq_entries");
  const cqeBytes = flags & abi.IORING_SETUP_CQE32 ? 32 : 16;
  const cqes = io_cqring_offsets.get(params, "cqes", io_uring_params.fields.cq_off[0]);
  const array = flags & abi.IORING_SETUP_NO_SQARRAY ? 0 : io_sqring_offsets.get(params, "array", io_uring_params.fields.sq_off[0]);
  const bytes = Math.max(cqes + cqEntries * cqeBytes, array === 0 ? 0 : array + sqEntries * 4);
  const sqeBytes = flags & abi.IORING_SETUP_SQE128 ? 128 : 64;
  const rings = Arena.map(fd, abi.IORING_OFF_SQ_RING, bytes);
  try {
    return { rings, sqes: Arena.map(fd, abi.IORING_OFF_SQES, sqEntries * sqeBytes) };
  } catch (error) {
    rings.dispose();
    throw error;
  }
}

const SETUP_HINTS: Readonly<Record<number, string>> = {
  [-1]: "io_uring is switched off for this user: see the sysctl kernel.io_uring_disabled, or the container's seccomp profile",
  [-38]: "this kernel has no io_uring, or a seccomp profile (a container's default) hides it",
  [-12]: "locked memory is exhausted: raise `ulimit -l`, or use fewer entries",
  [-22]: "this kernel does not know a flag that was asked for, or the sizes do not fit together",
};

/** Asks the kernel for the ring (`io_uring_setup(2)`), stepping down from what it refuses, and maps it. */
export function setupRing(shape: RingShape, syscalls: RingSyscalls, templates = 0): RingMemory & { record: RingRecord } {
  checkShape(shape);
  checkTemplates(shape, templates);
  const entries = shape.entries ?? ENTRIES;
  const { required, optional } = wantedFlags(shape);
  const refused: { flag: string; since: string; code: string }[] = [];
  let chosen = optional;
  for (;;) {
    const flags = required | chosen;
    const params = parameters(shape, flags);
    const own = shape.ownMemory ? ownMemory(shape, params) : undefined;
    const fd = syscalls.setup(entries, addressOf(params));
    if (fd >= 0) {
      const memory = own ?? mapOrClose(fd, params, flags);
      return { ...memory, params, record: recordOf(fd, params, flags, refused, shape, syscalls) };
    }
    own?.rings.dispose();
    own?.sqes.dispose();
    const down = fd === -22 ? OPTIONAL.find(({ bit }) => (chosen & bit) !== 0) : undefined;
    if (down === undefined) {
      throw new UringError({
        operation: "setup",
        syscall: "io_uring_setup",
        errno: fd,
        subject: `${entries} entries, ${flagNames(required).join("|") || "no flags"}`,
        ...(SETUP_HINTS[fd] === undefined ? {} : { hint: SETUP_HINTS[fd] }),
      });
    }
    refused.push({ flag: down.name, since: down.since, code: errnoName(fd) });
    chosen = (chosen & ~down.bit) | (down.instead ?? 0);
  }
}

function mapOrClose(fd: number, params: DataView, flags: number): Omit<RingMemory, "params"> {
  try {
    return mapRing(fd, params, flags);
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}

function recordOf(
  fd: number,
  params: DataView,
  flags: number,
  refused: RingRecord["refused"],
  shape: RingShape,
  syscalls: RingSyscalls,
): RingRecord {
  return Object.freeze({
    fd,
    sqEntries: io_uring_params.get(params, "sq_entries"),
    cqEntries: io_uring_params.get(params, "cq_entries"),
    sqe: shape.sqe ?? 64,
    cqe: shape.cqe ?? 16,
    flags,
    flagNames: Object.freeze(flagNames(flags)),
    features: io_uring_params.get(params, "features"),
    refused: Object.freeze(refused),
    syscalls: syscalls.provider,
  });
}

/** Address and length of a ring's mappings. */
export const mappingsOf = ({ rings, sqes }: RingMemory): { address: number; length: number }[] =>
  [rings, sqes].map(({ address, length }) => ({ address, length }));
