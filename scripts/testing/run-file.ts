import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseJunit } from "./junit.ts";
import type { FileResult, TestOutcome } from "./outcome.ts";
import { StandstillWatch } from "./standstill.ts";

export interface RunFileOptions {
  /** Where the JUnit file and the log of each test file go. */
  readonly outDir: string;
  /** For the whole file; a line `// file timeout: 600 s` in the file overrides it. */
  readonly fileTimeoutSeconds: number;
  /** For each test that sets none itself. */
  readonly testTimeoutSeconds: number;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export const HOST_LIMITS = { fileTimeoutSeconds: 180, testTimeoutSeconds: 30 } as const;
/** Emulation is 10 to 20 times slower than the machine itself. */
export const VM_LIMITS = { fileTimeoutSeconds: 480, testTimeoutSeconds: 120 } as const;

/** How long a process may take to go after SIGKILL. One that stays sits in the kernel (D state) for good. */
const KILL_PATIENCE_MS = 10_000;
const LOG_TAIL_CHARS = 4000;

/** The whole file's time limit. */
export function fileTimeoutMs(file: string, options: Pick<RunFileOptions, "fileTimeoutSeconds">): number {
  const own = /^\/\/ file timeout: (\d+) s$/m.exec(readFileSync(file, "utf8"));
  return 1000 * (own === null ? options.fileTimeoutSeconds : Number(own[1]));
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return fallback;
  }
}

/** Process groups of the files that run now: they are not in ours, so a Ctrl-C does not reach them by itself. */
const running = new Set<number>();

/** Ends whatever runs; for the runner's own end by a signal. */
export function killRunningFiles(): void {
  for (const pid of running) killGroup(pid);
}

/** The file's own process group, so that whatever the tests started can be ended with it. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // ESRCH: nothing is left of the group, which is what we want.
  }
}

/** Resolves to false when `ms` passed first. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: Timer | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const answer = await Promise.race([promise.then(() => true as const), late]);
  clearTimeout(timer);
  return answer;
}

/** Judges a finished process: the tests it reported, plus one failure when it died without telling which. */
function judge(junit: string, log: string, ended: string | undefined): TestOutcome[] {
  const outcomes = parseJunit(junit);
  const told = outcomes.some((outcome) => outcome.status === "failed");
  const problem = junit === "" ? (ended ?? "no results were written") : told ? undefined : ended;
  if (problem !== undefined) {
    const tail = log.length > LOG_TAIL_CHARS ? `...${log.slice(-LOG_TAIL_CHARS)}` : log;
    outcomes.push({ name: "(the whole file)", status: "failed", message: `${problem}\n${tail.trim()}` });
  } else if (outcomes.length === 0) {
    outcomes.push({ name: "(the whole file)", status: "failed", message: "the file contains no test" });
  }
  return outcomes;
}

/**
 * Runs one test file in a `bun test` process of its own, so that a crash, an exit or a hang costs that file only.
 * Its output goes to a file and not to a pipe: a grandchild that keeps a pipe open would keep us waiting.
 */
export async function runTestFile(file: string, options: RunFileOptions): Promise<FileResult> {
  mkdirSync(options.outDir, { recursive: true });
  const base = join(options.outDir, file.replace(/\.test\.ts$/, "").replaceAll("/", "-"));
  const [junitPath, logPath] = [`${base}.xml`, `${base}.log`];
  rmSync(junitPath, { force: true });
  const timeoutMs = fileTimeoutMs(file, options);
  const started = performance.now();
  using watch = new StandstillWatch();
  const log = openSync(logPath, "w");
  const child = Bun.spawn({
    cmd: [
      process.execPath,
      "test",
      `./${file}`,
      `--timeout=${options.testTimeoutSeconds * 1000}`,
      "--reporter=junit",
      `--reporter-outfile=${junitPath}`,
    ],
    stdin: "ignore",
    stdout: log,
    stderr: log,
    detached: true,
    env: { ...process.env, ...options.env, NO_COLOR: "1", CI: "true" },
  });
  closeSync(log);
  running.add(child.pid);

  const inTime = await within(child.exited, timeoutMs);
  killGroup(child.pid);
  const gone = inTime || (await within(child.exited, KILL_PATIENCE_MS));
  running.delete(child.pid);
  if (!gone) child.unref();

  let ended: string | undefined;
  if (!inTime) ended = `the file did not end within ${timeoutMs / 1000} s${gone ? "" : ", and SIGKILL did not end it"}`;
  else if (child.signalCode !== null) ended = `bun test was killed by ${child.signalCode}`;
  else if (child.exitCode !== 0) ended = `bun test ended with status ${child.exitCode}`;
  return {
    file,
    seconds: (performance.now() - started) / 1000,
    outcomes: judge(readOr(junitPath, ""), readOr(logPath, ""), ended),
    ...(gone ? {} : { unkillable: true }),
    ...(watch.pauses.length === 0 ? {} : { pauses: watch.pauses }),
  };
}
