import { paramsOf } from "./geometry.ts";
import type { DeviceParts } from "./make-device.ts";
import type { Capabilities } from "./methods.ts";
import type { DiskParams } from "./params.ts";
import { noteState } from "./state-file.ts";
import { checkZoneMethods } from "./zoned.ts";

/** How a device comes to life, once the target is attached in every thread that serves it. */
export interface Starting {
  /** It has a disk already, and had a server before: whatever fails leaves it to the next. */
  readonly again: boolean;
  /** For how long the disk waited that the server before had handed over, in milliseconds. */
  readonly pauseMs?: number | undefined;
  /** Indexes of the memory that the server before has registered. */
  readonly shared?: readonly number[];
  /** The device's parameters. Nothing is fetched yet. */
  params(can: Capabilities, signal: AbortSignal): Promise<DiskParams>;
  /** Waits until every tag is fetched, and makes the disk. */
  live(signal: AbortSignal): Promise<void>;
}

/** What a {@link FirstStart} consults. */
export type FirstStartParts = Omit<DeviceParts, "starting">;

/** The start of a device that has just been added. */
export class FirstStart implements Starting {
  readonly again = false;
  readonly #parts: FirstStartParts;

  constructor(parts: FirstStartParts) {
    this.#parts = parts;
    noteState(parts.info.id, parts); // before anything can be left behind
  }

  async params(can: Capabilities, signal: AbortSignal): Promise<DiskParams> {
    const { control, geometry, info, mode, options } = this.#parts;
    checkZoneMethods(can, geometry.zoned !== undefined);
    const params = paramsOf(geometry, can, options, info.maxIoBytes, mode);
    await control.setParams(info.id, params, { signal, info });
    return params;
  }

  async live(signal: AbortSignal): Promise<void> {
    const { control, info } = this.#parts;
    await control.startDevice(info.id, process.pid, { signal });
  }
}
