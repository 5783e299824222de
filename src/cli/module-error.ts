import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** A place in a file. */
interface Place {
  readonly file: string;
  readonly line: number;
  readonly column?: number;
}

/** Where this library is: its frames say nothing about a user's module. */
const OWN = join(dirname(fileURLToPath(import.meta.url)), import.meta.url.endsWith(".ts") ? ".." : "");

/** What a compiler says of a place. */
interface Positioned {
  readonly position?: { readonly file?: string; readonly line?: number; readonly column?: number } | null;
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** What lies below an error: the one that it wraps, or the first of several. */
function innermost(error: unknown): unknown {
  if (error instanceof AggregateError && error.errors.length > 0) return innermost(error.errors[0]);
  return error instanceof Error && isObject(error.cause) ? innermost(error.cause) : error;
}

function compiled(error: unknown, file: string): Place | undefined {
  const { position } = (isObject(error) ? error : {}) as Positioned;
  if (!isObject(position) || typeof position.line !== "number" || position.line < 1) return undefined;
  const where = position.file?.startsWith("/") ? position.file : file;
  return { file: where, line: position.line, ...(position.column === undefined ? {} : { column: position.column }) };
}

/** The topmost frame of a stack that is not this library's. */
function thrown(error: unknown): Place | undefined {
  const { stack } = (isObject(error) ? error : {}) as { stack?: unknown };
  if (typeof stack !== "string") return undefined;
  for (const [, file = "", line, column] of stack.matchAll(/(?:file:\/\/)?(\/[^\s():]+):(\d+):(\d+)/g)) {
    if (file.startsWith(`${OWN}/`) || file.startsWith("/$bunfs")) continue;
    return { file, line: Number(line), column: Number(column) };
  }
  return undefined;
}

function lineOf(source: string, pattern: RegExp): number | undefined {
  const at = source.search(pattern);
  return at < 0 ? undefined : source.slice(0, at).split("\n").length;
}

/** Where the source has what a message speaks of: a property that is wrong, or what is exported. */
function written(message: string, file: string): Place | undefined {
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  const [, quoted] = /there is no option '(\w+)'/.exec(message) ?? [];
  const [, plain] = /(?:^|: )(\w+) is /.exec(message) ?? [];
  const [, method] = /(?:^|: )(attach) returned/.exec(message) ?? [];
  const [, imported] = /Cannot find (?:module|package) ["']([^"']+)["']/.exec(message) ?? [];
  if (imported !== undefined) return { file, line: source.slice(0, Math.max(0, source.indexOf(imported))).split("\n").length };
  const name = quoted ?? method ?? plain;
  const property = name === undefined ? undefined : lineOf(source, new RegExp(`\\b${name}\\b["']?\\s*[(:,=]`));
  const line = property ?? lineOf(source, /^export default\b|^export\s*\{[^}]*\bas default\b/m) ?? lineOf(source, /^export\b/m) ?? 1;
  return { file, line };
}

/** The message without what comes before it because the library does not know who asks. */
function bare(message: string, file: string): string {
  const url = pathToFileURL(file).href;
  return message
    .replace(/^serve: /, "")
    .replace(`${url} cannot be imported: `, "")
    .replace(`${url} has no default export`, "it has no default export")
    .replace(`${url}: `, "");
}

/** What is wrong with a user's module, with the file and the line. */
export function explainModule(error: unknown, file: string): string {
  const inner = innermost(error);
  const { message } = (isObject(inner) ? inner : { message: String(inner) }) as { message?: unknown };
  const said = bare(typeof message === "string" && message !== "" ? message : String(inner), file);
  const place = compiled(inner, file) ?? thrown(inner) ?? written(said, file);
  if (place === undefined) return `${file}: ${said}`;
  const column = place.column === undefined ? "" : `:${place.column}`;
  return `${place.file}:${place.line}${column}: ${said}`;
}
