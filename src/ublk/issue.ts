import { UringError } from "../uring/error.ts";
import { uringCmd128 } from "../uring/ops/uring-cmd.ts";
import type { Ring } from "../uring/ring.ts";
import { ANY_ID, type Command, payloadOf } from "./command.ts";
import type { CommandEncoding } from "./control-options.ts";
import { UblkError } from "./error.ts";
import { givenUp } from "./given-up.ts";

const ETIMEDOUT = -110;

/** Where control commands go. */
export interface CommandRoad {
  /** `/dev/ublk-control`. */
  readonly fd: number;
  /** A ring with SQEs of 128 bytes. */
  readonly ring: Ring;
  readonly encoding: CommandEncoding;
  /** Counts commands that were given up and that the kernel has not given back. */
  stuck(one: number): void;
}

/** Sends a control command and waits for its answer, as long as the limit and the signal allow. */
export async function issueCommand(
  { fd, ring, encoding, stuck }: CommandRoad,
  command: Command,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<number> {
  const { name, device, buffer } = command;
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), timeoutMs);
  const either = signal === undefined ? limit.signal : AbortSignal.any([limit.signal, signal]);
  const operation = uringCmd128({
    fd,
    cmdOp: encode(command, encoding),
    payload: payloadOf(command),
    ...(buffer === undefined ? {} : { pins: [buffer] }),
  });
  const run = ring.run(operation, { signal: either });
  if (command.ended !== undefined) run.then(command.ended, command.ended);
  try {
    return await Promise.race([run, givenUp(either, run, stuck)]);
  } catch (error) {
    if (limit.signal.aborted) {
      const hint = `it took longer than ${timeoutMs} ms; a server that does not answer its requests blocks it`;
      throw new UblkError({ command: name, ...named(device), errno: ETIMEDOUT, hint });
    }
    if (signal?.aborted) throw signal.reason;
    if (!(error instanceof UringError)) throw error;
    throw new UblkError({ command: name, ...named(device), errno: error.errno, cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function encode({ name, op }: Command, encoding: CommandEncoding): number {
  // GET_FEATURES never had a plain number: it came after the encoding.
  return encoding === "ioctl" || name === "GET_FEATURES" ? op : op & 0xff;
}

function named(device: number | undefined): { device?: number } {
  return device === undefined || device === ANY_ID ? {} : { device };
}
