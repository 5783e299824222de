/** What became of one test; the runner adds them up over all steps. */
export interface TestOutcome {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  /** A failure's message, or a skip's reason. */
  readonly message?: string;
}

/** The outcomes of one test file, from its own `bun test` process. */
export interface FileResult {
  readonly file: string;
  readonly seconds: number;
  readonly outcomes: readonly TestOutcome[];
  /** A process of the file survived SIGKILL: this kernel is not fit for further tests. */
  readonly unkillable?: boolean;
  /** Seconds of each time the machine stood still meanwhile. */
  readonly pauses?: readonly number[];
}

/** One headline of the run: lint, typecheck, the host's tests, the tests on one kernel ... */
export interface StepResult {
  readonly step: string;
  /** Where it ran: "host 6.18.44", "VM 7.2". Skips are grouped by it. */
  readonly where: string;
  readonly outcomes: readonly TestOutcome[];
}

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

export function total(outcomes: Iterable<TestOutcome>): Totals {
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  for (const { status } of outcomes) totals[status]++;
  return totals;
}

/** The one line that ends the run, and that other tools read. */
export function totalsLine({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
