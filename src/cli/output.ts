import { writeSync } from "node:fs";

/** Where the command writes: data to one, everything else to the other. */
export interface Output {
  data(text: string): void;
  message(text: string): void;
}

const RETRY_MS = 1;

/** Writes all of it before it returns. A stream of Node's would take a fifth of the time that `list` takes, to be made. */
function write(fd: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
      Bun.sleepSync(RETRY_MS); // somebody has made it non-blocking, and its reader is slow
    }
  }
}

/** Whether it says that nobody reads any more what is written. */
export const isUnheard = (error: unknown): boolean => (error as { code?: string } | undefined)?.code === "EPIPE";

/** Standard output and standard error. */
export const standard: Output = {
  data: (text) => write(1, text),
  message(text) {
    try {
      write(2, `uring-ublk: ${text}\n`);
    } catch {
      // There is nobody to be told.
    }
  },
};

export const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Columns as wide as their longest cell; the last one is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd();
  return `${rows.map(line).join("\n")}\n`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Bytes for people: `"64 MiB"`. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(1))} ${UNITS[unit]}`;
}

/** Names and what they stand for, one below the other. */
export function pairs(rows: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows
    .map(([name, value]) => `${name.padEnd(width)}${value}`.trimEnd())
    .join("\n")
    .concat("\n");
}
