/** Whether this is an executable made by `bun build --compile`. */
export const COMPILED = import.meta.url.includes("$bunfs");

/** The command that runs this program again, with other words. */
export const self = (...words: readonly string[]): string[] =>
  COMPILED ? [process.execPath, ...words] : [process.execPath, Bun.main, ...words];
