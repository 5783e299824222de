/**
 * Strict checking of option objects: a misspelt option names the right one, a bad value names option, value and remedy.
 *
 * @module
 */

/** Edit distance, for "did you mean". Names are short, so the plain table will do. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, substitute));
    }
    row = next;
  }
  return row[b.length]!;
}

/** The candidate nearest to `name`, when it is near enough to be what was meant. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.ceil(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const d = distance(name.toLowerCase(), candidate.toLowerCase());
    if (d < least) [best, least] = [candidate, d];
  }
  return best;
}

/** Throws a TypeError for an option that does not exist. */
export function checkKnown(what: string, options: object, known: readonly string[]): void {
  if (typeof options !== "object" || options === null) throw new TypeError(`${what}: ${show(options)} is no object with options`);
  // `in` costs less than Object.keys; what it finds besides is a prototype's.
  for (const name in options) {
    if (known.includes(name) || !Object.hasOwn(options, name)) continue;
    const meant = nearest(name, known);
    throw new TypeError(
      `${what}: there is no option '${name}'${meant === undefined ? `; the options are ${known.join(", ")}` : `; did you mean '${meant}'?`}`,
    );
  }
}

/** Throws a RangeError unless `value` is an integer in the range. */
export function checkInteger(what: string, option: string, value: unknown, least: number, most: number, remedy?: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(
    `${what}: ${option} is ${show(value)}; it must be an integer from ${least} to ${most}${remedy === undefined ? "" : ` (${remedy})`}`,
  );
}

/** Throws a TypeError unless `value` is a boolean. */
export function checkBoolean(what: string, option: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new TypeError(`${what}: ${option} is ${show(value)}; it must be true or false`);
}

/** Throws a TypeError unless `value` is an AbortSignal or left out. */
export function checkSignal(what: string, value: unknown): void {
  if (value !== undefined && !(value instanceof AbortSignal)) throw new TypeError(`${what}: signal must be an AbortSignal`);
}

/** Throws a RangeError unless `value` is one of the choices. */
export function checkChoice<T extends string>(what: string, option: string, value: unknown, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T;
  const meant = typeof value === "string" ? nearest(value, choices) : undefined;
  throw new RangeError(
    `${what}: ${option} is ${show(value)}; it must be one of ${choices.map((c) => `'${c}'`).join(", ")}${meant === undefined ? "" : `; did you mean '${meant}'?`}`,
  );
}

/** A value as an error message shows it: short, and strings in quotes. */
export function show(value: unknown): string {
  if (typeof value === "string") return `'${value}'`;
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return typeof value === "bigint" ? `${value}n` : String(value);
}
