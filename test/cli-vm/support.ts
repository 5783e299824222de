/** What the tests of servers in the background have in common. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deviceIds, type KernelState, readState, UblkControl } from "uring-ublk/ublk";
import { sockets } from "../../src/cli/server-path.ts";
import { cli, PROGRAM } from "../support/cli.ts";

/** A folder for the files of a test file. */
export const folder = mkdtempSync(join(tmpdir(), "uring-ublk-cli-"));
/** Where servers write. */
export const logs = join(folder, "logs");

/** A disk that `add` has made. */
export interface Added {
  readonly path: string;
  readonly id: number;
  readonly pid: number;
  readonly log: string;
}

const alive = (pid: number): boolean => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));

/** Waits until a process has ended. */
export async function ended(pid: number): Promise<void> {
  while (alive(pid)) await Bun.sleep(10);
}

/** `add`, which must succeed. */
export async function added(...words: string[]): Promise<Added> {
  const { status, stdout, stderr } = await cli("add", ...words, "--json");
  if (status !== 0) throw new Error(`add ${words.join(" ")}: ${stderr}`);
  return JSON.parse(stdout) as Added;
}

/** What a command that must succeed prints for programs. */
export async function json<T = Record<string, unknown>>(...words: string[]): Promise<T> {
  const { status, stdout, stderr } = await cli(...words, "--json");
  if (status !== 0) throw new Error(`${words.join(" ")}: status ${status}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** The driver's word. */
export async function stateOf(id: number): Promise<KernelState> {
  await using control = await UblkControl.open();
  return (await control.getDeviceInfo(id)).state;
}

/** Nothing of any server is left. */
export function nothingLeft(): void {
  expect(deviceIds()).toEqual([]);
  expect(sockets()).toEqual([]);
  expect([0, 1, 2].map((id) => readState(id))).toEqual([undefined, undefined, undefined]);
  if (existsSync(logs)) expect(readdirSync(logs).filter((name) => name.startsWith("starting"))).toEqual([]);
}

/** Runs the command, and does not wait for it. */
export const begun = (
  words: readonly string[],
  stdio: "pipe" | "ignore" = "pipe",
): Bun.Subprocess<"ignore", "pipe" | "ignore", "pipe" | "ignore"> =>
  Bun.spawn([process.execPath, PROGRAM, ...words], { stdio: ["ignore", stdio, stdio], env: process.env });

/** Each command is a process, which takes seconds to start in an emulated machine with neighbours. */
const LIMIT = 300_000;

/** Around the tests of a file: time, logs of its own, and nothing is left of a test that failed. */
export function aroundServers(): void {
  setDefaultTimeout(LIMIT);
  beforeAll(() => void (process.env.URING_UBLK_LOG_DIR = logs));
  afterEach(async () => {
    if (existsSync("/dev/ublk-control") && deviceIds().length > 0) await cli("del", "--all", "--force");
  });
  afterAll(() => {
    delete process.env.URING_UBLK_LOG_DIR;
    rmSync(folder, { recursive: true, force: true });
  });
}
