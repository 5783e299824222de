const WIDTH = 100;

/** Text in lines that a terminal can show, each behind `indent` blanks. */
export function wrap(text: string, indent = 0): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  lines.push(line);
  return lines.map((each) => `${" ".repeat(indent)}${each}`.trimEnd()).join("\n");
}

/** Two columns; the second one is wrapped. */
export function columns(rows: readonly (readonly [left: string, right: string])[], indent = 2): string {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows
    .map(([left, right]) => `${" ".repeat(indent)}${left.padEnd(width)}${wrap(right, indent + width).trimStart()}`.trimEnd())
    .join("\n");
}
