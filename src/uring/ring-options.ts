import type { RingSyscalls } from "../ffi/index.ts";
import { OperationHandle } from "./handle.ts";
import { Operation } from "./operation.ts";
import { checkKnown, checkSignal } from "./options.ts";
import { type RingShape, shapeOptions } from "./setup.ts";

/** Options of {@link Ring.open}: the ring's shape, and the tables to register. */
export interface RingOptions extends RingShape {
  /** Slots of the fixed-buffer table (sparse, 5.19), 1 to 16384. Default none. */
  fixedBuffers?: number;
  /** Slots of the file table (sparse, 5.19). Default none. */
  fixedFiles?: number;
  /** Enter through a registered ring descriptor (5.18). Default true; the kernel's refusal is accepted. */
  registerRingFd?: boolean;
  /** Waits with a time limit go through registered memory (6.13), which the kernel need not copy. Default false. */
  registeredWaits?: boolean;
  /** The system calls to use; default liburing's where installed, libc's elsewhere. */
  syscalls?: RingSyscalls;
}

/** Options of {@link Ring.run} and {@link Ring.settle}. */
export interface RunOptions {
  /** Cancels the operation; the promise still settles only after its CQE, and rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Names the operation while it is in flight: for `cancel`, `timeoutUpdate` and their like. */
  handle?: OperationHandle;
}

/** An operation that completes once. */
export type SingleOperation<Result> = Operation<Result> & { readonly multishot?: undefined };

/** Every option of {@link Ring.open}. */
export const ringOptions: readonly string[] = [
  ...shapeOptions,
  "fixedBuffers",
  "fixedFiles",
  "registerRingFd",
  "registeredWaits",
  "syscalls",
];

const NO_OPTIONS: RunOptions = Object.freeze({});

/** Checks what {@link Ring.run} is given. */
export function checkRun(operation: unknown, options: RunOptions = NO_OPTIONS): RunOptions {
  if (!(operation instanceof Operation)) throw new TypeError("run: give it an operation, such as nop() or read({ ... }), or a plan");
  if (options === NO_OPTIONS) return options;
  checkKnown("run", options, ["signal", "handle"]);
  checkSignal("run", options.signal);
  if (options.handle !== undefined && !(options.handle instanceof OperationHandle))
    throw new TypeError("run: handle must be an OperationHandle");
  return options;
}
