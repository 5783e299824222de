import { UblkError } from "./error.ts";
import { featureNames, sinceOf } from "./features.ts";

const EOPNOTSUPP = -95;

/** Says which of the flags a driver does not have, and the kernel that brought them. */
export function lacking(flags: number, features: number): string {
  const missing = flags & ~features; // none, where the driver has the bit but not yet what it stands for
  const names = featureNames(missing === 0 ? flags : missing);
  return `this kernel's ublk has no ${names.join(" and no ")}; it came with Linux ${sinceOf(flags)}`;
}

/** What a device is refused with whose driver lacks the flags that an option needs. `remedy` says what to do without them. */
export function unsupported(subject: string, flags: number, features: number, remedy: string): UblkError {
  return new UblkError({ command: "ADD_DEV", errno: EOPNOTSUPP, subject, hint: `${lacking(flags, features)}${remedy}` });
}

/** Refuses an option whose flag the driver does not have. */
export function checkFeature(subject: string, flag: number, features: number, remedy: string): void {
  if ((features & flag) === 0) throw unsupported(subject, flag, features, remedy);
}
