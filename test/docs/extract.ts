import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/child.ts";
import { kernelAtLeast } from "../support/requires.ts";

/** A fenced TypeScript example of a page or a docstring. */
export interface Example {
  /** Where it stands: `src/uring/ring.ts:52`. */
  readonly where: string;
  readonly file: string;
  /** The line of its first line of code, from 1. */
  readonly line: number;
  readonly code: string;
  /** Marked ```ts no-run: it is only checked. */
  readonly run: boolean;
}

function sources(folder: string, extension: string): string[] {
  try {
    return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(extension) && !path.startsWith("api/"))
      .map((path) => join(folder, path))
      .sort();
  } catch {
    return []; // there is no such folder yet
  }
}

/** Every fenced block of a text; in a docstring, lines start with an asterisk. */
export function examplesIn(file: string, text: string): Example[] {
  const examples: Example[] = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const fence = /^(\s*(?:\* ?)?)```ts(?: (.*))?$/.exec(lines[i]!.trimEnd());
    if (fence === null) continue;
    const prefix = fence[1]!;
    const first = i + 1;
    const code: string[] = [];
    for (i++; i < lines.length && !/^\s*(\* ?)?```\s*$/.test(lines[i]!); i++) {
      const line = lines[i]!;
      code.push(line.startsWith(prefix) ? line.slice(prefix.length) : line.replace(/^\s*\*? ?/, ""));
    }
    if (i === lines.length) throw new Error(`${file}:${first}: the example has no end`);
    const info = fence[2]?.trim() ?? "";
    if (info !== "" && info !== "no-run") throw new Error(`${file}:${first}: what is an example marked '${info}'?`);
    examples.push({
      where: `${file}:${first + 1}`,
      file,
      line: first + 1,
      code: `${code.join("\n")}\n`,
      run: info !== "no-run",
    });
  }
  return examples;
}

/** Every example that a reader of the documentation meets. */
export function allExamples(): Example[] {
  const files = [...sources("src", ".ts"), "README.md", ...sources("docs", ".md")];
  return files.flatMap((file) => {
    try {
      return examplesIn(file, readFileSync(join(ROOT, file), "utf8"));
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") return []; // not written yet
      throw error;
    }
  });
}

/** Whether an example makes block devices: that takes a kernel with ublk. */
export function needsUblk({ code }: Example): boolean {
  return /\bserve\(|\bUblk[A-Z]|ublk/.test(code.replaceAll(/uring-ublk(\/ublk)?/g, ""));
}

/** What the example says it prints: the comment behind each console.log. */
export function promises({ code }: Example): string[] {
  return [...code.matchAll(/console\.log\(.*\);\s*\/\/ (.+)$/gm)].map((match) => match[1]!.trim());
}

const OLDER = /^(?<now>.+), or (?<before>.+) before Linux (?<since>[\d.]+)$/;

/** Whether an output keeps the promise: the same, or as far as "..." or an explanation goes; older kernels may have a line of their own. */
export function keeps(output: string, promise: string): boolean {
  const { now, before, since } = OLDER.exec(promise)?.groups ?? {};
  if (now !== undefined) return output === (kernelAtLeast(since!) ? now : before);
  const [sure] = promise.split("...") as [string];
  if (sure !== promise) return output.startsWith(sure.trimEnd());
  return output === promise || (output !== "" && promise.startsWith(output) && /\W/.test(promise[output.length]!));
}
