import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { ServeOptions } from "../ublk/index.ts";
import type { CommandLine } from "./command-line.ts";
import { UsageError } from "./option.ts";
import { camel, givenOf, SERVING } from "./serving-options.ts";
import { targetOf } from "./target-words.ts";
import { FILE_TARGET, type TargetKind } from "./targets.ts";

/** What is to be served, and how. */
export interface Plan {
  /** The module's URL; of a bundled target its name. */
  readonly module: URL | string;
  /** The path of the user's module, if it is one. */
  readonly file: string | undefined;
  /** What its `open` is given. */
  readonly options: Readonly<Record<string, unknown>> | undefined;
  readonly serving: ServeOptions<never>;
}

const DIRECT: Readonly<Record<string, boolean | "auto">> = { auto: "auto", always: true, never: false };

/** `host`, `host:port`, `[::1]:port`. */
function hostOf(word: string): { host: string; port?: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(word) ?? [];
  const host = bracketed ?? plain ?? (word.includes("::") ? word : undefined);
  if (host === undefined) throw new UsageError(`add nbd takes HOST, HOST:PORT or [ADDRESS]:PORT, and not '${word}'`);
  return { host, ...(port === undefined ? {} : { port: Number(port) }) };
}

/** Words become paths that do not depend on where the server runs. */
function wordsOf({ name }: TargetKind, words: readonly string[]): Record<string, unknown> {
  const paths = words.map((word) => resolve(word));
  switch (name) {
    case "loop":
    case "integrity":
      return { path: paths[0] };
    case "zoned":
      return paths[0] === undefined ? {} : { path: paths[0] };
    case "stripe":
    case "mirror":
      return { paths };
    case "nbd":
      return hostOf(words[0]!);
    default:
      return {};
  }
}

/** `size=1GiB` is text, `n=5` a number, `deep={"a":1}` an object. */
function settings(sets: readonly string[]): Record<string, unknown> {
  const entries = sets.map((set): [string, unknown] => {
    const at = set.indexOf("=");
    const text = set.slice(at + 1);
    try {
      return [set.slice(0, at), JSON.parse(text)];
    } catch {
      return [set.slice(0, at), text];
    }
  });
  return Object.fromEntries(entries);
}

function optionsOf(line: CommandLine, target: TargetKind): Record<string, unknown> | undefined {
  const sets = line.list("--set");
  if (target === FILE_TARGET) return sets.length === 0 ? undefined : settings(sets);
  const options = wordsOf(target, line.words.slice(1));
  for (const name of target.options) {
    const value = line.value(name);
    if (value === undefined) continue;
    if (name === "--direct") options.direct = DIRECT[value as string];
    else if (name === "--answer-within") options.timeoutMs = value;
    else options[camel(name)] = name === "--metadata-path" ? resolve(value as string) : value;
  }
  return options;
}

/** What `add` is to serve. */
export function planOf(line: CommandLine): Plan {
  const word = line.words[0]!;
  const target = targetOf(word);
  const own = target === FILE_TARGET;
  const file = own && !/^file:\/\//.test(word) ? resolve(word) : undefined;
  const theirs = SERVING.filter(({ name }) => !target.options.includes(name));
  return {
    module: own ? (file === undefined ? new URL(word) : pathToFileURL(file)) : target.name,
    file: own ? (file ?? new URL(word).pathname) : undefined,
    options: optionsOf(line, target),
    serving: givenOf(line, theirs) as ServeOptions<never>,
  };
}
