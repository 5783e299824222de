import { checkRoom, checkScan } from "./add.ts";
import { checkBatch, chooseMode } from "./choose-mode.ts";
import { UblkControl } from "./control.ts";
import type { DataMode } from "./data-mode.ts";
import type { Target } from "./device-types.ts";
import { type CheckedGeometry, checkGeometry } from "./geometry.ts";
import { checkReload } from "./hot-reload.ts";
import type { DeviceInfo } from "./info.ts";
import { asDefinition, importTarget, moduleOf } from "./inline.ts";
import { checkMetadata } from "./integrity.ts";
import { StepLimit, unlessAborted } from "./limits.ts";
import { Making } from "./making.ts";
import { checkRecovery } from "./recovery.ts";
import { checkRegistration } from "./registration.ts";
import type { CheckedOptions } from "./serve-options.ts";
import { checkSharing } from "./sharing.ts";
import { FirstStart, type Starting } from "./starting.ts";
import type { Opened, TargetDefinition } from "./target.ts";
import { checkThreads } from "./threads.ts";
import { checkUnprivileged } from "./unprivileged.ts";
import { checkZoned } from "./zoned.ts";

/** What a device is made of: all that exists before anything serves it. */
export interface DeviceParts {
  readonly control: UblkControl;
  readonly options: CheckedOptions;
  readonly info: DeviceInfo;
  readonly mode: DataMode;
  readonly charFd: number;
  readonly target: TargetDefinition;
  readonly opened: Opened<unknown>;
  readonly geometry: CheckedGeometry;
  /** The target's module, where Workers import it. */
  readonly module: string | undefined;
  readonly starting: Starting;
}

/**
 * Opens the target, adds the device, opens its char device, and lets `begin` take over. Whatever fails before that leaves nothing
 * behind. `begin` must have the lifeline know the device when it returns.
 */
export async function makeDevice<Device>(target: Target, options: CheckedOptions, begin: (parts: DeviceParts) => Device): Promise<Device> {
  const module = moduleOf(target);
  const definition = module === undefined ? asDefinition(target) : await importWithin(module, options.timeoutMs);
  const control = await UblkControl.open({ timeoutMs: options.timeoutMs, encoding: options.encoding });
  const making = new Making(control, options);
  let opened: Opened<unknown> | undefined;
  try {
    checkThreads(options, module, control.features);
    checkReload(options, module);
    opened = await openWithin(definition, module, options);
    const geometry = checkGeometry(opened);
    checkUnprivileged(options.unprivileged, geometry, control.features);
    checkSharing(options, control.features);
    checkBatch(options, control.features);
    checkScan(options, control.features);
    checkRecovery(options, control.features);
    checkZoned(geometry, options, control.features);
    checkMetadata(geometry, control.features);
    const mode = chooseMode(options, geometry, control.features);
    checkRegistration(options.registration, mode);
    checkRoom(options, geometry, mode);
    if (module !== undefined) checkCloneable(opened.shared);
    const { info, charFd } = await making.make(mode, geometry);
    const parts = { control, options, info, mode, charFd, target: definition, opened, geometry, module };
    return begin({ ...parts, starting: new FirstStart(parts) });
  } catch (error) {
    await making.undo();
    await giveBack(definition, opened, control);
    throw error;
  } finally {
    making.end();
  }
}

/** The target that a module exports. */
export async function importWithin(module: string, limitMs: number): Promise<TargetDefinition> {
  using limit = new StepLimit(limitMs, `the import of ${module}`);
  return await unlessAborted(importTarget(module), limit.signal);
}

/** What the target opens. */
export async function openWithin(
  definition: TargetDefinition,
  module: string | undefined,
  options: CheckedOptions,
): Promise<Opened<unknown>> {
  using limit = new StepLimit(options.timeoutMs, module === undefined ? "open()" : `open() of ${module}`);
  // What is opened too late is nobody's: it is closed at once.
  const late = (opened: Opened<unknown>): unknown => definition.close?.(opened.shared as never);
  return await unlessAborted(definition.open(options.options as never), limit.signal, late);
}

/** Closes what the target has opened, and the control device, of a device that comes to nothing. */
export async function giveBack(definition: TargetDefinition, opened: Opened<unknown> | undefined, control: UblkControl): Promise<void> {
  try {
    if (opened !== undefined) await definition.close?.(opened.shared as never);
  } finally {
    await control.close();
  }
}

/** What every Worker is handed is cloned: said before anything is made, and in words. */
export function checkCloneable(shared: unknown): void {
  try {
    structuredClone(shared);
  } catch (error) {
    throw new TypeError(
      "target: open() returned a shared that cannot be handed to Workers; it may hold descriptors, SharedArrayBuffers and plain data",
      { cause: error },
    );
  }
}
