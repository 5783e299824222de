import { integrity, loop, memory, mirror, nbd, nullDisk, stripe, zoned } from "../targets/index.ts";

const URLS: Readonly<Record<string, URL>> = {
  null: nullDisk.url,
  loop: loop.url,
  memory: memory.url,
  stripe: stripe.url,
  mirror: mirror.url,
  zoned: zoned.url,
  integrity: integrity.url,
  nbd: nbd.url,
};

/** The module of one of this package's targets. */
export const bundledUrl = (name: string): URL => URLS[name]!;

/**
 * The module to load for one that a state file names. This package's own targets are wherever this package is now: the server before may have
 * been another version of it, or an executable.
 */
export function moduleHere(module: string): string {
  const [, built] = /\/target-([a-z]+)\.js$/.exec(module) ?? [];
  const [, source] = /\/src\/targets\/([a-z]+)\.ts$/.exec(module) ?? [];
  return URLS[built ?? source ?? ""]?.href ?? module;
}
