import * as abi from "../abi.ts";
import { checkInteger, checkKnown } from "../options.ts";
import { io_uring_restriction, io_uring_task_restriction } from "../structs.ts";

/** What a ring, or a thread with all its later rings, may still do. Whatever is not named is refused with EACCES. */
export interface Restrictions {
  /** `IORING_REGISTER_*` that are allowed. */
  registerOps?: readonly number[];
  /** Operations that are allowed, by description or `IORING_OP_*`. */
  operations?: readonly (number | { readonly opcode: number })[];
  /** `IOSQE_*` that an SQE may have, besides the required ones. */
  allowedFlags?: number;
  /** `IOSQE_*` that every SQE must have. */
  requiredFlags?: number;
}

function entriesOf(what: string, options: Restrictions): [kind: number, value: number][] {
  checkKnown(what, options, ["registerOps", "operations", "allowedFlags", "requiredFlags"]);
  const { registerOps = [], operations = [], allowedFlags, requiredFlags } = options;
  const entries: [number, number][] = [];
  for (const op of registerOps) entries.push([abi.IORING_RESTRICTION_REGISTER_OP, checkInteger(what, "registerOps", op, 0, 255)]);
  for (const operation of operations) {
    const op = typeof operation === "number" ? operation : operation.opcode;
    entries.push([abi.IORING_RESTRICTION_SQE_OP, checkInteger(what, "operations", op, 0, 255)]);
  }
  if (allowedFlags !== undefined)
    entries.push([abi.IORING_RESTRICTION_SQE_FLAGS_ALLOWED, checkInteger(what, "allowedFlags", allowedFlags, 0, 255)]);
  if (requiredFlags !== undefined)
    entries.push([abi.IORING_RESTRICTION_SQE_FLAGS_REQUIRED, checkInteger(what, "requiredFlags", requiredFlags, 0, 255)]);
  return entries;
}

function write(view: DataView, at: number, entries: readonly [number, number][]): void {
  entries.forEach(([kind, value], i) => {
    const base = at + i * io_uring_restriction.size;
    io_uring_restriction.set(view, "opcode", kind, base);
    io_uring_restriction.set(view, "sqe_op", value, base);
  });
}

/** `struct io_uring_restriction[]` for a ring. At least one: memory of nothing has no address. */
export function ringRestrictions(options: Restrictions): { argument: DataView<ArrayBuffer>; count: number } {
  const entries = entriesOf("restrictions", options);
  const argument = io_uring_restriction.allocate(Math.max(entries.length, 1));
  write(argument, 0, entries);
  return { argument, count: entries.length };
}

/** `struct io_uring_task_restriction` with its array. */
export function taskRestrictions(options: Restrictions): DataView<ArrayBuffer> {
  const entries = entriesOf("restrictThread", options);
  const head = io_uring_task_restriction.size;
  const argument = new DataView(new ArrayBuffer(head + entries.length * io_uring_restriction.size));
  io_uring_task_restriction.set(argument, "nr_res", entries.length);
  write(argument, head, entries);
  return argument;
}
