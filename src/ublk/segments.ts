import { checkInteger, checkKnown } from "../uring/options.ts";
import type { DiskParams } from "./params.ts";
import { parseSize } from "./size.ts";
import type { Geometry, Size } from "./target.ts";

const PAGE = 4096;
const U32 = 2 ** 32 - 1;

/** Limits of the memory segments of a request ({@link Geometry.segments}, SEGMENT, Linux 6.16): clients' requests are split to keep to them. */
export interface SegmentLimits {
  /** Segments in a request, 1 to 65535; default as many as there are. */
  maxCount?: number;
  /** The longest segment, from 4096; default any length. */
  maxBytes?: Size;
  /** No segment crosses a multiple of it: a power of two from 4096; default none. */
  boundary?: Size;
}

/** The same, as the driver takes them. */
export type CheckedSegments = NonNullable<DiskParams["segments"]>;

/** Checks what a target says of its segments. */
export function checkSegments({ segments }: Geometry): CheckedSegments | undefined {
  if (segments === undefined) return undefined;
  const what = "target: segments";
  if (typeof segments !== "object" || segments === null) throw new TypeError(`${what} must be an object such as { maxCount: 32 }`);
  checkKnown(what, segments, ["maxCount", "maxBytes", "boundary"]);
  const maxCount = segments.maxCount === undefined ? 0xffff : checkInteger(what, "maxCount", segments.maxCount, 1, 0xffff);
  const maxBytes = segments.maxBytes === undefined ? U32 : parseSize(segments.maxBytes, `${what}.maxBytes`);
  if (maxBytes < PAGE || maxBytes > U32) throw new RangeError(`${what}.maxBytes is ${maxBytes}; it must be from ${PAGE} to ${U32}`);
  const boundary = segments.boundary === undefined ? 2 ** 53 : parseSize(segments.boundary, `${what}.boundary`);
  if (boundary < PAGE || !Number.isInteger(Math.log2(boundary)))
    throw new RangeError(`${what}.boundary is ${boundary} bytes; it must be a power of two from ${PAGE}`);
  return { maxCount, maxBytes, boundaryMask: boundary - 1 };
}
