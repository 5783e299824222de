import { checkBoolean, checkChoice, checkInteger, checkKnown } from "./options.ts";

/** The shape of a ring. Everything has a default; the best the kernel offers is chosen. */
export interface RingShape {
  /** SQ entries, 1 to 32768; the kernel rounds up to a power of two. Default 128. */
  entries?: number;
  /** CQ entries; default twice the SQ. It bounds the operations in flight. */
  cqEntries?: number;
  /** Bytes in an SQE: 64, 128 (`SETUP_SQE128`, 5.19), or both on one ring (`SETUP_SQE_MIXED`, 6.19). Default 64. */
  sqe?: 64 | 128 | "mixed";
  /** Bytes in a CQE: 16, 32 (`SETUP_CQE32`, 5.19), or both (`SETUP_CQE_MIXED`, 6.18). Default 16. */
  cqe?: 16 | 32 | "mixed";
  /**
   * When completions are worked on: `"defer"` only inside this thread's own enter (`SETUP_DEFER_TASKRUN`, 6.1), `"coop"` at
   * any kernel entry (`SETUP_COOP_TASKRUN`, 5.19), `"none"` by interrupting the thread. Default: the first the kernel has.
   */
  taskrun?: "defer" | "coop" | "none";
  /** A kernel thread takes SQEs without enter (`SETUP_SQPOLL`, 5.1). `idleMs` is when it goes to sleep. Default off. */
  sqpoll?: boolean | { idleMs?: number; cpu?: number };
  /** Completions are polled for instead of interrupt-driven (`SETUP_IOPOLL`; `"hybrid"` sleeps first, 6.13). */
  iopoll?: boolean | "hybrid";
  /** Only one thread submits (`SETUP_SINGLE_ISSUER`, 6.0). Default true. */
  singleIssuer?: boolean;
  /** An SQE that is refused does not stop the ones behind it (`SETUP_SUBMIT_ALL`, 5.18). Default true. */
  submitAll?: boolean;
  /** Sizes beyond the limit are clamped instead of refused (`SETUP_CLAMP`, 5.6). */
  clamp?: boolean;
  /** The ring starts disabled, for restrictions (`SETUP_R_DISABLED`, 5.10). */
  disabled?: boolean;
  /** Shares the io-wq worker pool of another ring (`SETUP_ATTACH_WQ`, 5.6): that ring's descriptor. */
  attachTo?: number;
  /** The SQ keeps its index array, so that permanent SQEs can be queued in any order. Default false (`SETUP_NO_SQARRAY`, 6.6). */
  sqArray?: boolean;
  /** The ring lives in memory of this process (`SETUP_NO_MMAP`, 6.5). Default false. */
  ownMemory?: boolean;
  /** The ring has only a registered descriptor (`SETUP_REGISTERED_FD_ONLY`, 6.5; needs `ownMemory`). */
  registeredFdOnly?: boolean;
  /** The SQ starts over at index 0 with every submit (`SETUP_SQ_REWIND`, 7.0). */
  rewind?: boolean;
}

const SHAPE_OPTIONS: readonly (keyof RingShape)[] = [
  "entries",
  "cqEntries",
  "sqe",
  "cqe",
  "taskrun",
  "sqpoll",
  "iopoll",
  "singleIssuer",
  "submitAll",
  "clamp",
  "disabled",
  "attachTo",
  "sqArray",
  "ownMemory",
  "registeredFdOnly",
  "rewind",
];
export const shapeOptions: readonly string[] = SHAPE_OPTIONS;

/** Entries of a ring that says nothing about them, and the most the kernel gives. */
export const ENTRIES = 128;
export const SQ_LIMIT = 32768;
export const CQ_LIMIT = 65536;

/** Checks a shape before anything is asked of the kernel. */
export function checkShape(shape: RingShape): void {
  const what = "ring";
  checkKnown(what, shape, shapeOptions);
  const whole = (option: keyof RingShape, most: number, remedy?: string): void => {
    if (shape[option] !== undefined) checkInteger(what, option, shape[option], 1, most, remedy);
  };
  whole("entries", shape.clamp ? 0x7fff_ffff : SQ_LIMIT, "clamp: true takes the largest");
  whole("cqEntries", shape.clamp ? 0x7fff_ffff : CQ_LIMIT, "clamp: true takes the largest");
  if (shape.cqEntries !== undefined && shape.cqEntries < (shape.entries ?? ENTRIES)) {
    throw new RangeError(`ring: cqEntries is ${shape.cqEntries}; it must be at least entries (${shape.entries ?? ENTRIES})`);
  }
  for (const option of ["singleIssuer", "submitAll", "clamp", "disabled", "sqArray", "ownMemory", "registeredFdOnly", "rewind"] as const) {
    if (shape[option] !== undefined) checkBoolean(what, option, shape[option]);
  }
  if (shape.taskrun !== undefined) checkChoice(what, "taskrun", shape.taskrun, ["defer", "coop", "none"]);
  if (shape.sqe !== undefined && ![64, 128, "mixed"].includes(shape.sqe))
    throw new RangeError(`ring: sqe is ${shape.sqe}; it must be 64, 128 or 'mixed'`);
  if (shape.cqe !== undefined && ![16, 32, "mixed"].includes(shape.cqe))
    throw new RangeError(`ring: cqe is ${shape.cqe}; it must be 16, 32 or 'mixed'`);
  if (shape.registeredFdOnly && !shape.ownMemory) throw new TypeError("ring: registeredFdOnly needs ownMemory");
  if (shape.rewind && (shape.sqpoll || shape.sqArray)) throw new TypeError("ring: rewind excludes sqpoll and sqArray");
  checkMixed(what, shape, shape.entries ?? ENTRIES, shape.cqEntries ?? 2);
  if (shape.sqe === "mixed" && shape.sqArray)
    throw new TypeError("ring: sqe 'mixed' excludes sqArray (an SQE of 128 bytes takes two neighbouring slots)");
  if (shape.attachTo !== undefined) checkInteger(what, "attachTo", shape.attachTo, 0, 0x7fff_ffff);
  if (shape.iopoll !== undefined && shape.iopoll !== "hybrid") checkBoolean(what, "iopoll", shape.iopoll);
  if (typeof shape.sqpoll !== "object" || shape.sqpoll === null) {
    if (shape.sqpoll !== undefined) checkBoolean(what, "sqpoll", shape.sqpoll);
    return;
  }
  checkKnown("ring.sqpoll", shape.sqpoll, ["idleMs", "cpu"]);
  if (shape.sqpoll.idleMs !== undefined) checkInteger("ring.sqpoll", "idleMs", shape.sqpoll.idleMs, 1, 0x7fff_ffff);
  if (shape.sqpoll.cpu !== undefined) checkInteger("ring.sqpoll", "cpu", shape.sqpoll.cpu, 0, 0xffff);
}

/** A queue whose entries may take two positions has two at least: the kernel says EOVERFLOW, which tells nobody anything. */
export function checkMixed(what: string, { sqe, cqe }: Pick<RingShape, "sqe" | "cqe">, entries: number, cqEntries: number): void {
  if (sqe === "mixed" && entries < 2) throw new RangeError(`${what}: entries is ${entries}; sqe 'mixed' needs at least 2`);
  if (cqe === "mixed" && cqEntries < 2) throw new RangeError(`${what}: cqEntries is ${cqEntries}; cqe 'mixed' needs at least 2`);
}

/** Checks the permanent SQEs, before the kernel is asked: a constructor that throws later would leave the ring behind. */
export function checkTemplates(shape: RingShape, templates: number): void {
  if (templates === 0) return;
  if (!shape.sqArray) throw new TypeError("ring: templates (permanent SQEs) need sqArray");
  checkInteger("ring", "templates", templates, 0, (shape.entries ?? ENTRIES) - 1, "at least one entry stays for other operations");
}
