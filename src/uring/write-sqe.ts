import type { RingCore } from "./core.ts";
import type { AnyDeclaration } from "./operation.ts";

/** Calls the raw writer. The commonest numbers of arguments are written out: spreading them costs a third of the encoding. */
export function writeSqe(ring: RingCore, slot: number, { raw }: AnyDeclaration, args: readonly never[]): void {
  if (args.length === 4) raw.call(ring, slot, args[0]!, args[1]!, args[2]!, args[3]!);
  else if (args.length === 5) raw.call(ring, slot, args[0]!, args[1]!, args[2]!, args[3]!, args[4]!);
  else raw.call(ring, slot, ...args);
}
