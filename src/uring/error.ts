import { errnoName, SystemError, type SystemErrorInit } from "../ffi/index.ts";

/** Causes that a given errno has when a given io_uring operation reports it. */
const HINTS: Readonly<Record<string, string>> = {
  EINVAL: "the kernel refuses a field of this operation, or does not know the operation or flag: ask ring.supports(...)",
  EFAULT: "the memory is not mapped, or a fixed buffer is missing, too short, or faces the wrong way",
  EBADF: "the descriptor is closed, or its file-table slot is empty",
  ENOBUFS: "the buffer group ran out of buffers: make it larger or recycle sooner",
  ECANCELED: "it was cancelled, or an earlier operation of its chain failed",
  ETIME: "the time limit passed",
  ENOTSOCK: "the descriptor is no socket",
  ESPIPE: "a pipe or socket has no position: leave the offset out",
  EOPNOTSUPP: "the file or socket does not support this operation or flag",
};

/** An io_uring operation, or the ring itself, failed. `operation` says which. */
export class UringError extends SystemError {
  /** The operation's name (`"read"`), or the ring's step (`"setup"`, `"enter"`, `"register ..."`). */
  readonly operation: string;

  constructor(init: Omit<SystemErrorInit, "syscall"> & { operation: string; syscall?: string }) {
    const hint = init.hint ?? HINTS[errnoName(init.errno)];
    super({ ...init, syscall: init.syscall ?? `io_uring ${init.operation}`, ...(hint === undefined ? {} : { hint }) });
    this.operation = init.operation;
  }
}

const ETIME = -62;

/** An operation was cancelled by the kernel because the time that {@link within} gave it was over. `code` is `"ETIME"`. */
export class TimeLimitError extends UringError {
  /** The time limit, in milliseconds. */
  readonly ms: number;

  constructor(operation: string, ms: number) {
    super({ operation, errno: ETIME, hint: `it did not complete within ${ms} ms` });
    this.ms = ms;
  }
}

const EIO = -5;

/** A transfer that had to be whole (`exact()`) moved fewer bytes than it was asked for. `code` is `"EIO"`. */
export class ShortTransferError extends UringError {
  /** The bytes that were moved. */
  readonly bytes: number;
  /** The bytes that were asked for. */
  readonly expected: number;

  constructor(operation: string, bytes: number, expected: number) {
    super({ operation, errno: EIO, hint: `it moved ${bytes} of ${expected} bytes, and exact() asks for all` });
    this.bytes = bytes;
    this.expected = expected;
  }
}

/** The kernel did what it never should (an unknown user_data, a double completion): the ring can no longer be trusted. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ProtocolError";
  }
}

/** How many the kernel tells of; no more than it had room for. */
export function told(operation: string, count: number, most: number): number {
  if (count > most) throw new ProtocolError(`the kernel tells '${operation}' of ${count}, and there is room for ${most}`);
  return count;
}

const ECANCELED = -125;

const closings = new WeakSet<object>();

/** The reason of what is in flight when the ring is closed. */
export function closedError(): UringError {
  const error = new UringError({ operation: "close", errno: ECANCELED, hint: "the ring was closed" });
  closings.add(error);
  return error;
}

/** Whether that is the reason. */
export const isClosed = (reason: unknown): boolean => typeof reason === "object" && reason !== null && closings.has(reason);
