import { show } from "../uring/options.ts";
import type { Size } from "./target.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 2 ** 10,
  kib: 2 ** 10,
  m: 2 ** 20,
  mib: 2 ** 20,
  g: 2 ** 30,
  gib: 2 ** 30,
  t: 2 ** 40,
  tib: 2 ** 40,
};

/**
 * Bytes of a size such as `4096`, `"64k"`, `"512 MiB"`, `"1 GiB"`. Units are binary.
 *
 * @throws TypeError naming the option when it is neither.
 *
 * @example
 * ```ts
 * import { parseSize } from "uring-ublk";
 * console.log(parseSize("1 GiB"), parseSize("4k")); // 1073741824 4096
 * ```
 */
export function parseSize(size: Size, option = "size"): number {
  if (typeof size === "number" && Number.isSafeInteger(size) && size >= 0) return size;
  if (typeof size === "string") {
    const [, digits, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(size) ?? [];
    const factor = unit === undefined ? undefined : UNITS[unit.toLowerCase()];
    const bytes = Number(digits) * (factor ?? Number.NaN);
    if (Number.isSafeInteger(bytes)) return bytes;
  }
  throw new TypeError(`${option} is ${show(size)}; it must be a whole number of bytes, or text such as "512 MiB", "1 GiB" or "4k"`);
}
