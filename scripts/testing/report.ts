import { type FileResult, type StepResult, type TestOutcome, total, totalsLine } from "./outcome.ts";

const MESSAGE_LINES = 60;

function indent(text: string): string {
  const lines = text.split("\n");
  const shown = lines.length > MESSAGE_LINES ? [...lines.slice(0, MESSAGE_LINES), "..."] : lines;
  return shown.map((line) => `      ${line}`).join("\n");
}

/** A step that ran nothing is a failure: a wrong path or an empty folder must not look like success. */
export function orNothingRan(result: StepResult): StepResult {
  if (result.outcomes.length > 0) return result;
  const nothing: TestOutcome = { name: result.step, status: "failed", message: "no test ran in this step" };
  return { ...result, outcomes: [nothing] };
}

let lastHeadline = "";

/** Steps that run side by side take turns: a line that does not belong to the last headline repeats its own first. */
export function printHeadline(headline: string): void {
  if (headline === lastHeadline) return;
  lastHeadline = headline;
  console.log(`\n== ${headline}`);
}

export function printFileEnd({ file, seconds, outcomes, pauses }: FileResult, kernel = ""): void {
  const totals = total(outcomes);
  const stood = pauses === undefined ? "" : `; the machine stood still for ${pauses.join(" s, ")} s meanwhile`;
  console.log(`   ${totals.failed > 0 ? "FAIL" : "ok  "} ${kernel}${file}: ${totalsLine(totals)} (${seconds.toFixed(1)} s)${stood}`);
}

export function printStepEnd(headline: string, result: StepResult, seconds: number): void {
  printHeadline(headline);
  console.log(`   ${totalsLine(total(result.outcomes))}   (${seconds.toFixed(1)} s)`);
}

function printFailures(results: readonly StepResult[]): void {
  for (const { where, outcomes } of results) {
    for (const { name, message } of outcomes.filter((outcome) => outcome.status === "failed")) {
      console.log(`\nFAILED  [${where}] ${name}`);
      if (message) console.log(indent(message));
    }
  }
}

/** Skips by reason and kernel, so that "needs 6.16" reads as one line and an unexpected reason stands out. */
function printSkips(results: readonly StepResult[]): void {
  const groups = new Map<string, string[]>();
  for (const { where, outcomes } of results) {
    for (const { name, message } of outcomes.filter((outcome) => outcome.status === "skipped")) {
      const key = `[${where}] ${message}`;
      groups.set(key, [...(groups.get(key) ?? []), name]);
    }
  }
  for (const [key, names] of [...groups].sort(([a], [b]) => a.localeCompare(b))) {
    console.log(`\nSKIPPED ${key}: ${names.length}`);
    for (const name of names) console.log(`      ${name}`);
  }
}

/** Prints everything worth reading; the last line is the totals. Returns the exit status. */
export function report(results: readonly StepResult[], seconds: number): number {
  printSkips(results);
  printFailures(results);
  const totals = total(results.flatMap((result) => result.outcomes));
  console.log(`\n${results.length} steps in ${seconds.toFixed(0)} s`);
  console.log(totalsLine(totals));
  return totals.failed > 0 || totals.passed === 0 ? 1 : 0;
}
