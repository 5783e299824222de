import { parseSize } from "../ublk/size.ts";
import { nearest } from "../uring/options.ts";

/** The command line is wrong: exit status 2. */
export class UsageError extends Error {}

/** An option of a command. */
export interface Option {
  /** With its dashes. */
  readonly name: string;
  readonly kind: "flag" | "count" | "size" | "text" | "choice" | "list";
  /** How help names its value: `SIZE`. */
  readonly value?: string;
  /** Of a choice. */
  readonly choices?: readonly string[];
  /** Of a count: the range. */
  readonly range?: readonly [least: number, most: number];
  /** Of a list: what `NAME=VALUE` stands for is the command's business. */
  readonly help: string;
}

/** What an option was given. */
export type OptionValue = true | number | string | readonly string[];

/** `unknown what 'word'`, with the word that was meant, or with all there are. */
export function unknown(what: string, word: string, candidates: readonly string[]): UsageError {
  const meant = nearest(word, candidates);
  const remedy = meant === undefined ? `there are ${candidates.join(", ")}` : `did you mean '${meant}'?`;
  return new UsageError(`unknown ${what} '${word}'; ${remedy}`);
}

function countOf({ name, value = "N", range: [least, most] = [0, Number.MAX_SAFE_INTEGER] }: Option, word: string): number {
  const count = word.trim() === "" ? Number.NaN : Number(word);
  if (Number.isInteger(count) && count >= least && count <= most) return count;
  const what = value === "SECONDS" ? "seconds" : value === "MS" ? "milliseconds" : "a number";
  throw new UsageError(`${name} takes ${what} from ${least} to ${most}, and not '${word}'`);
}

/** A size in words of the command line: plain digits are bytes. */
export const sizeFrom = (word: string, what?: string): number => parseSize(/^\d+$/.test(word) ? Number(word) : word, what);

function sizeOf({ name }: Option, word: string): number {
  try {
    return sizeFrom(word, name);
  } catch {
    throw new UsageError(`${name} takes a size such as 4096, 64k, 512MiB or 1GiB, and not '${word}'`);
  }
}

function choiceOf({ name, choices = [] }: Option, word: string): string {
  if (choices.includes(word)) return word;
  const meant = nearest(word, choices);
  throw new UsageError(
    `${name} takes one of ${choices.join(", ")}, and not '${word}'${meant === undefined ? "" : `; did you mean '${meant}'?`}`,
  );
}

/** What the word behind an option means. `before` is what a list has already. */
export function readValue(option: Option, word: string, before: OptionValue | undefined): OptionValue {
  switch (option.kind) {
    case "flag":
      return true;
    case "count":
      return countOf(option, word);
    case "size":
      return sizeOf(option, word);
    case "text":
      if (word === "") throw new UsageError(`${option.name} takes ${option.value ?? "TEXT"}, which is empty here`);
      return word;
    case "choice":
      return choiceOf(option, word);
    case "list":
      return [...((before ?? []) as readonly string[]), word];
  }
}
