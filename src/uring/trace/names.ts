import * as abi from "../abi.ts";

const CONSTANTS = Object.entries<number | bigint>(abi).filter((entry): entry is [string, number] => typeof entry[1] === "number");
const OPERATIONS = new Map(
  CONSTANTS.filter(([name]) => name.startsWith("IORING_OP_") && name !== "IORING_OP_LAST").map(([name, opcode]) => [
    opcode,
    name.slice("IORING_OP_".length),
  ]),
);
const FLAGS = new Map<string, readonly (readonly [name: string, bit: number])[]>();

/** An opcode's name in the header, without `IORING_OP_`. */
export const operationName = (opcode: number): string => OPERATIONS.get(opcode) ?? `opcode ${opcode}`;

/** A number as it stands in a header: 32 bits, without a sign. */
export const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

// Single bits only: the masks and shifts of the header are no flags.
function flagsOf(prefix: string): readonly (readonly [string, number])[] {
  let known = FLAGS.get(prefix);
  if (known === undefined) {
    const start = `${prefix}_`;
    known = CONSTANTS.filter(([name, value]) => name.startsWith(start) && (value & (value - 1)) === 0 && !name.endsWith("_SHIFT"))
      .map(([name, value]) => [name.slice(start.length), value] as const)
      .filter(([, value]) => value !== 0)
      .sort(([, a], [, b]) => a - b);
    FLAGS.set(prefix, known);
  }
  return known;
}

/** The names of the flags in a word, joined by `|`; what has no name stays a number. `prefixes` are separated by commas. */
export function flagNames(prefixes: string, value: number): string {
  const names: string[] = [];
  let left = value;
  for (const prefix of prefixes.split(",")) {
    for (const [name, bit] of flagsOf(prefix)) {
      if ((left & bit) === 0) continue;
      names.push(name);
      left &= ~bit;
    }
  }
  if (left !== 0) names.push(hex(left));
  return names.length === 0 ? "0" : names.join("|");
}
