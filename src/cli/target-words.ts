import { TARGET_KINDS, TARGET_NAMES } from "./commands.ts";
import { type OptionValue, UsageError, unknown } from "./option.ts";
import { FILE_TARGET, TARGET_OPTIONS, type TargetKind } from "./targets.ts";

/** Whether a word is the path or the URL of a module. */
const isModule = (word: string): boolean => /\/|\.[cm]?[jt]sx?$/.test(word);

/** What the first word of `add` stands for. */
export function targetOf(word: string | undefined): TargetKind {
  if (word === undefined) throw new UsageError(`add needs a target: ${TARGET_NAMES.join(", ")}, or the path of a module such as ./disk.ts`);
  const kind = TARGET_KINDS.find(({ name }) => name === word);
  if (kind !== undefined && kind !== FILE_TARGET) return kind;
  if (isModule(word)) return FILE_TARGET;
  throw unknown("target", word, [...TARGET_NAMES, "the path of a module such as ./disk.ts"]);
}

function checkOptions({ name, options }: TargetKind, values: ReadonlyMap<string, OptionValue>): void {
  for (const { name: option } of TARGET_OPTIONS) {
    if (!values.has(option) || options.includes(option)) continue;
    const others = TARGET_KINDS.filter((other) => other.options.includes(option)).map((other) => other.name);
    throw new UsageError(`${name === FILE_TARGET.name ? "a module" : name} takes no ${option}; it is for ${others.join(", ")}`);
  }
}

function checkSet(word: string): void {
  if (!/^[^=]+=/.test(word)) throw new UsageError(`--set takes NAME=VALUE, such as --set size=1GiB, and not '${word}'`);
}

/** Checks the words and the options that belong to the target, before anything is done. */
export function checkTarget([word, ...rest]: readonly string[], values: ReadonlyMap<string, OptionValue>): void {
  const target = targetOf(word);
  const [least, most] = target.words;
  if (rest.length < least) throw new UsageError(`add ${target.name} needs ${target.usage}`);
  if (rest.length > most)
    throw new UsageError(
      `add ${target === FILE_TARGET ? word : target.name} takes ${most === 0 ? "no word" : `at most ${most} words`} more, but got '${rest[most]}'`,
    );
  checkOptions(target, values);
  if (target.needsSize && !values.has("--size")) throw new UsageError(`add ${target.name} needs --size, such as --size 1GiB`);
  for (const set of (values.get("--set") ?? []) as readonly string[]) checkSet(set);
  if (values.has("--again") && !values.has("--id"))
    throw new UsageError("--again needs --id, such as --id 7: it is about the disk that has that number");
  if (values.has("--foreground") && values.has("--log"))
    throw new UsageError("--log is for a server in the background; with --foreground it writes to standard error");
}
