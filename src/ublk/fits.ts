import type { DataMode } from "./data-mode.ts";
import { lendsPages } from "./data-mode.ts";
import type { CheckedGeometry } from "./geometry.ts";
import type { Capabilities } from "./methods.ts";
import type { DiskParams } from "./params.ts";

/** Refuses a target that is another disk than the device's: sizes that clients know already cannot change. */
export function checkGeometryFits(id: number, has: DiskParams, geometry: CheckedGeometry, mode: DataMode): void {
  for (const name of ["size", "blockSize"] as const) {
    if (has[name] !== geometry[name])
      throw new RangeError(
        `recover: the target's ${name} is ${geometry[name]} bytes, and device ${id} has ${has[name]}; it must be the same`,
      );
  }
  const zones = (zoneSize: number | undefined): string => (zoneSize === undefined ? "no zones" : `zones of ${zoneSize} bytes`);
  const hasZones = has.zoned === undefined ? undefined : has.chunkBytes;
  if (hasZones !== geometry.zoned?.zoneSize)
    throw new RangeError(
      `recover: the target has ${zones(geometry.zoned?.zoneSize)}, and device ${id} has ${zones(hasZones)}; it must be the same`,
    );
  const { capable: _, ...metadata } = has.integrity ?? { capable: false };
  for (const [name, value] of Object.entries(geometry.integrity ?? metadata)) {
    const had = has.integrity?.[name as keyof typeof has.integrity];
    if ((geometry.integrity === undefined) !== (has.integrity === undefined) || had !== value)
      throw new RangeError(
        `recover: the target's integrity.${name} is ${geometry.integrity === undefined ? "left out" : String(value)}, and device ${id} has ${had ?? "none"}; it must be the same`,
      );
  }
  if (lendsPages(mode) && !geometry.zeroCopy)
    throw new TypeError(`recover: device ${id} has mode '${mode}', and the target looks at the data; it must have zeroCopy: true`);
  const alignment = has.dmaAlignmentMask + 1;
  if (lendsPages(mode) && geometry.dmaAlignment > Math.max(alignment, 4))
    throw new RangeError(
      `recover: the target's dmaAlignment is ${geometry.dmaAlignment}, and device ${id} has ${alignment}; it cannot be more`,
    );
  for (const [name, most] of [
    ["maxDiscard", has.maxDiscardBytes],
    ["maxWriteZeroes", has.maxWriteZeroesBytes],
  ] as const) {
    if (most > geometry[name])
      throw new RangeError(`recover: the target's ${name} is ${geometry[name]} bytes, and device ${id} has ${most}; it cannot be less`);
  }
}

/** Refuses a target without a method that clients of the device may count on. */
export function checkMethodsFit(id: number, has: DiskParams, can: Capabilities, fua: boolean): void {
  const needed: [boolean, boolean, string][] = [
    [!has.readOnly, can.write, "write"],
    [has.volatileCache, can.flush, "flush"],
    [has.fua, fua, "fua: true"],
    [has.maxDiscardBytes > 0, can.discard, "discard"],
    [has.maxWriteZeroesBytes > 0, can.writeZeroes, "writeZeroes"],
    [has.zoned !== undefined, can.zones, "the zone methods"],
  ];
  const missing = needed.filter(([need, have]) => need && !have).map(([, , name]) => name);
  if (missing.length > 0)
    throw new TypeError(`recover: clients of device ${id} count on what the target does not have: ${missing.join(", ")}`);
}
