import type { RingCore } from "./core.ts";
import type { AnyDeclaration } from "./operation.ts";

/** Arguments to be kept. An array of numbers only holds all of them as doubles, and a descriptor is none. */
export function ofAnything(numbers: readonly never[]): readonly never[] {
  const values = new Array<unknown>(numbers.length).fill(undefined);
  for (let i = 0; i < numbers.length; i++) values[i] = numbers[i];
  return values as never[];
}

/** Calls the raw writer. The commonest numbers of arguments are written out: spreading them costs a third of the encoding. */
export function writeSqe(ring: RingCore, slot: number, { raw }: AnyDeclaration, args: readonly never[]): void {
  if (args.length === 4) raw.call(ring, slot, args[0]!, args[1]!, args[2]!, args[3]!);
  else if (args.length === 5) raw.call(ring, slot, args[0]!, args[1]!, args[2]!, args[3]!, args[4]!);
  else raw.call(ring, slot, ...args);
}
