import type { FileResult } from "./outcome.ts";

/**
 * How results leave the VM: one line per event on its output, because that arrives even when the VM hangs or is
 * killed a moment later, while files brought back at the end would be lost.
 */
const MARK = "@@uring-ublk-test ";

export type Progress = { readonly event: "start"; readonly file: string } | { readonly event: "end"; readonly result: FileResult };

export function progressLine(progress: Progress): string {
  // ASCII only: a serial line may not be clean for anything else.
  const json = JSON.stringify(progress).replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return `\n${MARK}${json}\n`;
}

function parseLine(line: string): Progress | undefined {
  try {
    return JSON.parse(line.slice(line.indexOf(MARK) + MARK.length)) as Progress;
  } catch {
    return undefined; // Cut off in the middle: the file then counts as unfinished.
  }
}

/** The results that arrived, and the file that had started and never ended. */
export function parseProgress(output: string): { results: FileResult[]; unfinished: string | undefined } {
  const results: FileResult[] = [];
  let unfinished: string | undefined;
  for (const line of output.split(/\r?\n/)) {
    if (!line.includes(MARK)) continue;
    const progress = parseLine(line);
    if (progress?.event === "start") unfinished = progress.file;
    if (progress?.event === "end") {
      results.push(progress.result);
      unfinished = undefined;
    }
  }
  return { results, unfinished };
}

/** Calls back for every event as soon as its line is complete; for `onOutput` of the VM, which comes in pieces. */
export function progressReader(onProgress: (progress: Progress) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      const progress = line.includes(MARK) ? parseLine(line) : undefined;
      if (progress !== undefined) onProgress(progress);
    }
  };
}
