import { describeEnvironment } from "./environment.ts";
import { type Benchmark, higherIsBetter, type Row, relativeSpeed } from "./harness.ts";

function number(value: number): string {
  if (value >= 1000) return value.toFixed(0);
  return value >= 100 ? value.toFixed(1) : value.toFixed(2);
}

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;

function cells(row: Row): string[] {
  return [
    row.name,
    number(row.ours),
    number(row.floor),
    row.unit,
    row.ratio.toFixed(3),
    higherIsBetter(row.unit) ? "more" : "less",
    relativeSpeed(row).toFixed(3),
    `${percent(row.spread.ours)} / ${percent(row.spread.floor)}`,
  ];
}

/** Text columns to the left, numbers to the right. */
function align(lines: readonly string[][]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const left = new Set([0, 3, 5, 8]);
  return lines
    .map((line) =>
      line
        .map((cell, i) => (left.has(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** What a reader needs to judge the numbers: the question, the environment, the floor, the runs, and then the table. */
export function benchmarkTable(benchmark: Pick<Benchmark, "name" | "question">, rows: readonly Row[]): string {
  const first = rows[0];
  if (first === undefined) return `${benchmark.name}: no result`;
  // Where rows have different floors, each names its own.
  const several = rows.some((row) => row.floorName !== first.floorName);
  const against = (text: string): string[] => (several ? [text] : []);
  const header = ["", "ours", "floor", "unit", "ours/floor", "better", "speed", "spread ours / floor", ...against("floor is")];
  return [
    `${benchmark.name}: ${benchmark.question}`,
    describeEnvironment(first.environment),
    `floor: ${several ? "as each row says" : first.floorName}; median of ${first.runs}, ours and floor in turn`,
    "",
    align([header, ...rows.map((row) => [...cells(row), ...against(row.floorName)])]),
  ].join("\n");
}
