import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RecoverOptions, servingOf } from "./recover-options.ts";
import type { Recovery } from "./recovery.ts";
import type { CheckedOptions } from "./serve-options.ts";
import { userDirectory } from "./user-directory.ts";

/** What a device's state file says: enough to recognise its server, and to start it again. */
export interface DeviceState {
  /** The device's number. */
  readonly id: number;
  /** The server's process. */
  readonly pid: number;
  /** URL of the target's module, if it has one. */
  readonly module?: string | undefined;
  /** What its `open` was given, if that is plain data. */
  readonly options?: unknown;
  /** It was given something that is not: whoever serves it again must know what. */
  readonly optionsUnsaid?: boolean | undefined;
  /** What becomes of the disk when its server ends. */
  readonly recovery?: Recovery | undefined;
  /** How it is served, as {@link recover} takes it. */
  readonly serving?: RecoverOptions | undefined;
  /** Since when the disk waits for the server that it is handed over to, in milliseconds since 1970. */
  readonly frozen?: number | undefined;
  /** Indexes of the memory that is registered with the device. */
  readonly shared?: readonly number[] | undefined;
  /** ISO time. */
  readonly started: string;
}

/**
 * Where state files are: `/run/uring-ublk`, or `URING_UBLK_STATE_DIR`. Those of users without root's rights are in `$XDG_RUNTIME_DIR/uring-ublk`, or
 * `~/.local/state/uring-ublk` where there is no such directory.
 */
export function stateDirectory(): string {
  return process.env.URING_UBLK_STATE_DIR ?? userDirectory("/run/uring-ublk");
}

const fileOf = (id: number): string => join(stateDirectory(), `${id}.json`);

/** Writes a device's state file; whole or not at all. */
export function writeState(state: DeviceState): void {
  mkdirSync(stateDirectory(), { recursive: true, mode: 0o755 });
  const temporary = `${fileOf(state.id)}.${process.pid}`;
  try {
    writeFileSync(temporary, `${JSON.stringify(state)}\n`);
    renameSync(temporary, fileOf(state.id));
  } catch (error) {
    removeFile(temporary); // the directory is full: a half of it would take the last of the room
    throw error;
  }
}

/** Writes a device's state file as far as possible: a device is served without one too, and tools know less of it. */
export function noteState(
  id: number,
  { module, options }: { readonly module: string | undefined; readonly options: CheckedOptions },
  shared?: readonly number[],
): void {
  const started = new Date().toISOString();
  const { recovery } = options;
  const serving = servingOf(options);
  const plain = isPlain(options.options);
  const told = plain ? { options: options.options } : { optionsUnsaid: true };
  try {
    writeState({ id, pid: process.pid, module, ...told, recovery, serving, shared, started });
  } catch (error) {
    process.stderr.write(
      `uring-ublk: the state file of device ${id} could not be written, so tools know less of it: ${(error as Error).message}\n`,
    );
  }
}

/** Adds to what a device's state file says, as far as possible. */
export function noteInState(id: number, more: Partial<DeviceState>): void {
  const state = readState(id);
  try {
    if (state !== undefined) writeState({ ...state, ...more });
  } catch {
    // There is nobody to tell: it could be written before.
  }
}

/** Reads a device's state file; undefined without a readable one. */
export function readState(id: number): DeviceState | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(id), "utf8")) as DeviceState;
  } catch {
    return undefined;
  }
}

/** Removes a device's state file, if there is one, and if it can be removed: the end of a device does not depend on it. */
export function removeState(id: number): void {
  removeFile(fileOf(id));
}

function removeFile(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Something else stands in the directory's place, or it cannot be written to any more.
  }
}

// Whether it is the same when it is read again.
function isPlain(value: unknown): boolean {
  if (value === undefined) return true;
  try {
    return Bun.deepEquals(JSON.parse(JSON.stringify(value)), value);
  } catch {
    return false;
  }
}
