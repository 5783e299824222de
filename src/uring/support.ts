import { type FeatureName, kernelSupports, missingFeature, missingOperation } from "./features.ts";
import { Operation } from "./operation.ts";
import type { RawRing } from "./raw-ring.ts";
import { limitProblem } from "./time-limit.ts";

/** NOP128 and URING_CMD128, from here on: where all SQEs are long the plain opcodes stand for them, so the ring's shape decides. */
const PROBED_OPCODES = 63;

/** What the running kernel has, of what a ring can be asked to do. */
export class KernelSupport {
  readonly #raw: RawRing;
  readonly #opcodes = new Uint8Array(256); // 1 for those that it has

  constructor(raw: RawRing) {
    this.#raw = raw;
    for (const opcode of raw.register.probe()) this.#opcodes[opcode] = 1;
  }

  /** Whether it has an opcode. */
  opcode(opcode: number): boolean {
    return this.#opcodes[opcode] === 1;
  }

  /** Whether it has an operation, with the flag that makes it, or a flag. */
  has(what: Operation<unknown> | { readonly opcode: number } | FeatureName): boolean {
    const { record, syscalls } = this.#raw;
    if (typeof what === "string") return kernelSupports(what, record.features, syscalls);
    const needs = what instanceof Operation ? what.declaration.needs : undefined;
    return this.opcode(what.opcode) && (needs === undefined || this.has(needs));
  }

  /** What an operation lacks; undefined for none. */
  missing({ name, opcode, declaration, modifiers }: Operation<unknown>): Error | undefined {
    if (opcode < PROBED_OPCODES && !this.opcode(opcode)) return missingOperation(name, declaration.since);
    if (modifiers.limit !== undefined) {
      const problem = limitProblem(this.#raw.record, this.#opcodes);
      if (problem !== undefined) return problem;
    }
    const { needs } = declaration;
    return needs === undefined || this.has(needs) ? undefined : missingFeature(needs, name);
  }
}
