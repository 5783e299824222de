import { release } from "node:os";

/** Compares versions as numbers: 6.16 is newer than 6.9. */
function atLeast(have: string, want: string): boolean {
  const [mine, wanted] = [have, want].map((text) => text.split(".").map((part) => Number.parseInt(part, 10) || 0)) as [number[], number[]];
  const [i] = [0, 1].filter((n) => (mine[n] ?? 0) !== (wanted[n] ?? 0));
  return i === undefined || (mine[i] ?? 0) > (wanted[i] ?? 0);
}

/** Whether the running kernel is of that release or a later one. */
export const kernelIsAtLeast = (want: string): boolean => atLeast(release(), want);
