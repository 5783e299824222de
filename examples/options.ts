/** A table of options, and what a command line says of them: the kinds of values that disks have. */
import { parseArgs } from "node:util";
import { parseSize } from "uring-ublk";

/** What follows an option: a size such as 64m, a whole number, nothing, or one of some words, which stand for values. */
export type Kind = "size" | "count" | "flag" | Readonly<Record<string, unknown>>;
/** Options by name; `blockSize` is `--block-size` on the command line. */
export type Table = Readonly<Record<string, Kind>>;
type Value<K> = K extends "size" | "count" ? number : K extends "flag" ? true : K[keyof K];
/** The options that were given. */
export type Values<T extends Table> = { readonly [Name in keyof T]?: Value<T[Name]> };

/** A mistake in the command line. */
export class UsageError extends Error {}

const dashed = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function understand(option: string, kind: Kind, text: string): unknown {
  if (kind === "size") return parseSize(text, option);
  if (kind === "count") {
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw new UsageError(`${option} is '${text}'; it must be a whole number`);
  }
  if (Object.hasOwn(kind as object, text)) return (kind as Record<string, unknown>)[text];
  throw new UsageError(`${option} is '${text}'; it must be one of ${Object.keys(kind).join(", ")}`);
}

/** Reads the program's arguments: words, and options of the table. `--help` leaves everything else unread. */
export function readArguments<T extends Table>(table: T): { help: boolean; words: string[]; values: () => Values<T> } {
  const options = Object.entries(table).map(([name, kind]) => [dashed(name), { type: kind === "flag" ? "boolean" : "string" }] as const);
  const { values, positionals } = parseArgs({
    options: { ...Object.fromEntries(options), help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  });
  const given = Object.entries(table).flatMap(([name, kind]) => {
    const text = (values as Record<string, string | boolean | undefined>)[dashed(name)];
    return text === undefined
      ? []
      : [[name, () => (kind === "flag" ? true : understand(`--${dashed(name)}`, kind, text as string))] as const];
  });
  return {
    help: values.help === true,
    words: positionals,
    values: () => Object.fromEntries(given.map(([name, value]) => [name, value()])) as Values<T>,
  };
}
