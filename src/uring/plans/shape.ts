import type { Always, Plan } from "./plan.ts";
import type { Step } from "./step.ts";

/** What a part of a plan resolves to. */
export type ValueOf<P> =
  P extends Plan<infer V, unknown> ? V : P extends Always<infer V, unknown> ? V : P extends Step<never, infer V, unknown> ? V : never;

/** What settling a part of a plan tells. */
export type OutcomeOf<P> =
  P extends Plan<unknown, infer O> ? O : P extends Always<unknown, infer O> ? O : P extends Step<never, unknown, infer O> ? O : never;

/** What a list of parts resolves to. */
export type Values<Parts extends readonly unknown[]> = { -readonly [I in keyof Parts]: ValueOf<Parts[I]> };

/** What settling a list of parts tells. */
export type Outcomes<Parts extends readonly unknown[]> = { readonly [I in keyof Parts]: OutcomeOf<Parts[I]> };
