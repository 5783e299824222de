import { sys } from "../ffi/index.ts";
import { addDevice, checkGranted, wantedFlags } from "./add.ts";
import type { UblkControl } from "./control.ts";
import type { DataMode } from "./data-mode.ts";
import type { CheckedGeometry } from "./geometry.ts";
import type { DeviceInfo } from "./info.ts";
import { lifeline } from "./lifeline.ts";
import { openChar } from "./nodes.ts";
import { removeNow, removeUnused } from "./removal.ts";
import type { CheckedOptions } from "./serve-options.ts";
import { openOwnChar } from "./user-nodes.ts";

/** How long an exiting process waits for an ADD_DEV that is under way. */
const ADD_NOW_MS = 1_000;

/**
 * A device between ADD_DEV and the moment that something serves it: nothing but a char device, which must not stay behind.
 *
 * The lifeline knows it from before ADD_DEV is sent, for the process may be told to end while the driver adds the device.
 */
export class Making {
  readonly #control: UblkControl;
  readonly #options: CheckedOptions;
  readonly #stopped = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  #info: DeviceInfo | undefined;
  #charFd = -1;

  constructor(control: UblkControl, options: CheckedOptions) {
    this.#control = control;
    this.#options = options;
  }

  /** ADD_DEV, and the char device opened. */
  async make(mode: DataMode, geometry: CheckedGeometry): Promise<{ info: DeviceInfo; charFd: number }> {
    lifeline.add(this, this.#options.signals);
    const { signal } = this.#stopped;
    const flags = wantedFlags(this.#options, mode, geometry, this.#control.features);
    const info = await addDevice(this.#control, this.#options, flags);
    this.#info = info;
    signal.throwIfAborted();
    checkGranted(info, this.#options, flags);
    const open = this.#options.unprivileged ? openOwnChar : openChar;
    this.#charFd = await open(info.id, this.#options.timeoutMs, signal);
    signal.throwIfAborted();
    return { info, charFd: this.#charFd };
  }

  /** Takes back what was made. */
  async undo(): Promise<void> {
    this.#closeChar();
    if (this.#info !== undefined) await removeUnused(this.#control, this.#info.id);
  }

  /** The device is somebody else's from now on, or was undone. */
  end(): void {
    lifeline.remove(this);
    this.#ended.resolve();
  }

  /** Gives the device up; resolves when nothing of it is left. */
  stop(): Promise<void> {
    this.#stopped.abort(new Error("the device was stopped while it was made"));
    return this.#ended.promise;
  }

  /** Takes back what was made, synchronously, in a process that is exiting. */
  dropSync(): void {
    const id = this.#info?.id ?? this.#control.finishAddNow(ADD_NOW_MS);
    this.#closeChar();
    if (id !== undefined) removeNow(id, true);
  }

  #closeChar(): void {
    if (this.#charFd >= 0) sys.close(this.#charFd);
    this.#charFd = -1;
  }
}
