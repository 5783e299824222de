/** Where the command writes: data to one, everything else to the other. */
export interface Output {
  data(text: string): void;
  message(text: string): void;
}

/** Standard output and standard error. */
export const standard: Output = {
  data: (text) => void process.stdout.write(text),
  message: (text) => void process.stderr.write(`uring-ublk: ${text}\n`),
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
