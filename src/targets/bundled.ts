import type { TargetDefinition } from "../ublk/index.ts";

/** A target of this package: called with its options it is served on the calling thread; its URL is for Workers. */
export interface BundledTarget<Options> {
  /** The target with its options bound, for `serve` on the calling thread. */
  (...options: undefined extends Options ? [options?: Options] : [options: Options]): TargetDefinition;
  /** The module to serve in Workers, with the options in serve's `options`. */
  readonly url: URL;
}

/** Beside this module in the sources; entries of their own (`target-NAME.js`) in the built package. */
function moduleOf(name: string): URL {
  return import.meta.url.endsWith(".ts") ? new URL(`./${name}.ts`, import.meta.url) : new URL(`./target-${name}.js`, import.meta.url);
}

/** Gives a target its two forms. @internal */
export function bundle<Options, Shared>(name: string, definition: TargetDefinition<Options, Shared>): BundledTarget<Options> {
  const bound = (options?: Options): TargetDefinition<unknown, Shared> => ({
    ...definition,
    open: () => definition.open(options as Options),
  });
  return Object.assign(bound, { url: moduleOf(name) }) as BundledTarget<Options>;
}
