import { errnoName } from "../../ffi/index.ts";
import { IORING_CQE_BUFFER_SHIFT, IORING_CQE_F_BUFFER } from "../abi.ts";
import { flagNames, hex } from "./names.ts";

const FLAG_BITS = 0xffff;

/** Decodes result and flags of a CQE. `extra` are the words that a CQE of 32 bytes has besides. */
export function describeCqe(result: number, flags: number, extra: readonly number[] = []): string {
  const parts = [`res=${result}${result < 0 ? ` ${errnoName(result)}` : ""}`];
  const low = flags & FLAG_BITS;
  if (low !== 0) parts.push(`flags=${flagNames("IORING_CQE_F", low)}`);
  if ((flags & IORING_CQE_F_BUFFER) !== 0) parts.push(`buf=${flags >>> IORING_CQE_BUFFER_SHIFT}`);
  else if (flags >>> IORING_CQE_BUFFER_SHIFT !== 0) parts.push(`upper_flags=${flags >>> IORING_CQE_BUFFER_SHIFT}`);
  if (extra.some((word) => word !== 0)) parts.push(`extra=${extra.map(hex).join(",")}`);
  return parts.join(" ");
}
