import { resolve as resolvePath } from "node:path";
import { pathToFileURL } from "node:url";
import { checkKnown, show } from "../uring/options.ts";
import { capabilitiesOf } from "./methods.ts";
import {
  type Attachment,
  type Geometry,
  isDefinition,
  type Methods,
  type RequestTarget,
  type TargetDefinition,
  type ZonedDisk,
} from "./target.ts";
import { ZONE_METHODS, type ZoneMethods } from "./zone-methods.ts";
import { checkZoneMethods } from "./zoned.ts";

export const GEOMETRY: readonly (keyof Geometry | "zoned")[] = [
  "size",
  "blockSize",
  "physicalBlockSize",
  "ioMin",
  "ioOpt",
  "readOnly",
  "rotational",
  "fua",
  "discardGranularity",
  "maxDiscard",
  "maxWriteZeroes",
  "zeroCopy",
  "members",
  "dmaAlignment",
  "synchronous",
  "resize",
  "segments",
  "integrity",
  "zoned",
];
const METHODS: readonly (keyof Methods | keyof ZoneMethods)[] = ["read", "write", "flush", "discard", "writeZeroes", ...ZONE_METHODS];
const REQUEST: readonly (keyof RequestTarget)[] = ["handle", "completed", "ops", "detach"];

/** Turns a target given as one object into one in parts; says what is wrong with it otherwise. */
export function asDefinition(target: unknown, what = "serve"): TargetDefinition {
  if (isDefinition(target)) return target;
  if (typeof target !== "object" || target === null) {
    throw new TypeError(
      `${what}: the target is ${show(target)}; give an object with size and read(buffer, offset), a defineTarget(...), or the URL of a module whose default export is one`,
    );
  }
  checkKnown(what, target, [...GEOMETRY, ...METHODS, ...REQUEST]);
  const inline = target as Geometry & Partial<Pick<ZonedDisk, "zoned">> & Methods & Partial<ZoneMethods> & Partial<RequestTarget>;
  for (const name of [...METHODS, "handle", "completed", "detach", "resize"] as const) {
    const value = (inline as unknown as Record<string, unknown>)[name];
    if (value !== undefined && typeof value !== "function")
      throw new TypeError(`${what}: ${name} is ${show(value)}; it must be a function`);
  }
  if (inline.handle === undefined && inline.read === undefined)
    throw new TypeError(`${what}: read is missing; a target has at least size and read(buffer, offset), or handle(request)`);
  if (inline.handle !== undefined && METHODS.some((name) => inline[name] !== undefined)) {
    throw new TypeError(`${what}: the target has both handle(request) and methods such as read; it must have one or the other`);
  }
  checkAllZoneMethods(inline, what);
  checkZoneMethods(capabilitiesOf(inline as unknown as Attachment), inline.zoned !== undefined);
  const geometry = Object.fromEntries(
    GEOMETRY.filter((name) => inline[name] !== undefined).map((name) => [name, inline[name]]),
  ) as unknown as Geometry;
  if (inline.resize !== undefined) geometry.resize = (size, from) => inline.resize!(size, from);
  return { open: () => geometry, attach: () => inline as unknown as Attachment };
}

/** A zoned disk's target has all zone methods, and another none. */
function checkAllZoneMethods(methods: object, what: string): void {
  const missing = ZONE_METHODS.filter((name) => (methods as Partial<ZoneMethods>)[name] === undefined);
  if (missing.length === 0 || missing.length === ZONE_METHODS.length) return;
  throw new TypeError(`${what}: the target has zone methods, but not ${missing.join(", ")}; a zoned disk needs all of them`);
}

/** The target that a module exports; every error names the module. */
export async function importTarget(module: string): Promise<TargetDefinition> {
  let exported: unknown;
  try {
    exported = ((await import(module)) as { default?: unknown }).default;
  } catch (error) {
    throw new Error(`serve: ${module} cannot be imported: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (exported === undefined)
    throw new TypeError(`serve: ${module} has no default export; export a target: export default defineTarget({ open, attach })`);
  return asDefinition(exported, module);
}

/** The URL of the module, if what is to be served is one: Workers import it. */
export function moduleOf(target: unknown): string | undefined {
  if (!(target instanceof URL) && typeof target !== "string") return undefined;
  return typeof target === "string" && !/^[a-z]+:\/\//i.test(target) ? pathToFileURL(resolvePath(target)).href : String(target);
}

/** Checks what a target attached: a misspelt method would otherwise be one that does not exist. */
export function checkAttachment(attachment: Attachment, what = "serve"): Attachment {
  if (typeof attachment !== "object" || attachment === null)
    throw new TypeError(
      `${what}: attach returned ${show(attachment)}; it must return an object with read(buffer, offset), or handle(request)`,
    );
  // An object of a class may have fields of its own.
  if (Object.getPrototypeOf(attachment) === Object.prototype)
    checkKnown(`${what}: attach`, attachment, [...GEOMETRY, ...METHODS, ...REQUEST]);
  checkAllZoneMethods(attachment, `${what}: attach`);
  const { handle, read } = attachment as Methods & Partial<RequestTarget>;
  if (typeof handle !== "function" && typeof read !== "function")
    throw new TypeError(`${what}: attach returned neither read(buffer, offset) nor handle(request)`);
  if (handle !== undefined && read !== undefined)
    throw new TypeError(`${what}: attach returned both handle(request) and read; it must return one or the other`);
  return attachment;
}
