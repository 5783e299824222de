import { addDevice, checkRoom, chooseMode } from "./add.ts";
import { UblkControl } from "./control.ts";
import type { Target } from "./device-types.ts";
import { type CheckedGeometry, checkGeometry } from "./geometry.ts";
import type { DeviceInfo } from "./info.ts";
import { resolveTarget } from "./inline.ts";
import { openChar } from "./nodes.ts";
import type { DataMode } from "./queue-spec.ts";
import { removeUnused } from "./removal.ts";
import type { CheckedOptions } from "./serve-options.ts";
import type { Opened, TargetDefinition } from "./target.ts";

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
}

/** Opens the target, adds the device and opens its char device. Whatever fails leaves nothing behind. */
export async function makeParts(target: Target, options: CheckedOptions): Promise<DeviceParts> {
  const { definition, module } = await resolveTarget(target);
  const control = await UblkControl.open({ timeoutMs: options.timeoutMs, encoding: options.encoding });
  let opened: Opened<unknown> | undefined;
  let info: DeviceInfo | undefined;
  try {
    opened = await definition.open(options.options as never);
    const geometry = checkGeometry(opened);
    const mode = chooseMode(options, geometry, control.features);
    checkRoom(options, geometry, mode);
    if (module !== undefined) checkCloneable(opened.shared);
    info = await addDevice(control, options, mode);
    const charFd = await openChar(info.id, options.timeoutMs);
    return { control, options, info, mode, charFd, target: definition, opened, geometry, module };
  } catch (error) {
    if (info !== undefined) await removeUnused(control, info.id);
    try {
      if (opened !== undefined) await definition.close?.(opened.shared as never);
    } finally {
      await control.close();
    }
    throw error;
  }
}

// What every Worker is handed is cloned: said before anything is made, and in words.
function checkCloneable(shared: unknown): void {
  try {
    structuredClone(shared);
  } catch (error) {
    throw new TypeError(
      "target: open() returned a shared that cannot be handed to Workers; it may hold descriptors, SharedArrayBuffers and plain data",
      { cause: error },
    );
  }
}
