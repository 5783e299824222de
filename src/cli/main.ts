#!/usr/bin/env bun
/**
 * The `uring-ublk` command: makes disks, looks after them, and says what is wrong.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { type Asked, parseArguments } from "./arguments.ts";
import type { Background } from "./background.ts";
import { DAEMON_WORD, OUTSIDE_WORD, STOP_WORD } from "./hidden-words.ts";
import { UsageError } from "./option.ts";
import { isUnheard, type Output, standard } from "./output.ts";
import { plainly } from "./plainly.ts";
import { run } from "./run.ts";
import { COMPILED, self } from "./self.ts";

/** Set where an executable is made. */
declare const URING_UBLK_VERSION: string | undefined;

/** This package's version: its manifest is one folder up in the built package, two in the sources. */
function version(): string {
  if (typeof URING_UBLK_VERSION === "string") return URING_UBLK_VERSION;
  for (const path of ["../package.json", "../../package.json"]) {
    const url = new URL(path, import.meta.url);
    if (!existsSync(url)) continue;
    const { name, version } = JSON.parse(readFileSync(url, "utf8")) as { name?: string; version?: string };
    if (name === "uring-ublk" && version !== undefined) return version;
  }
  return "unknown";
}

/** The status of a program that writes to a pipe which nobody reads any more. */
const SIGPIPE = 128 + 13;

/** How a command line ended, and what there is to say of it. */
interface End {
  readonly status: number;
  readonly message?: string;
}

async function command(given: readonly string[], output: Output, background: Background | undefined): Promise<End> {
  let asked: Asked;
  try {
    asked = parseArguments(given);
    if (asked !== "version") return { status: await run(asked, output, { given, background }) };
  } catch (error) {
    if (error instanceof UsageError) return { status: 2, message: `${error.message} (see uring-ublk --help)` };
    return isUnheard(error) ? { status: SIGPIPE } : { status: 1, message: plainly(error) };
  }
  output.data(`${version()}\n`);
  return { status: 0 };
}

/** A server in the background: what it has to say goes to whoever has started it, and to its log. */
async function inBackground([log = "", caller, ...given]: readonly string[]): Promise<number> {
  const { Background } = await import("./background.ts");
  const background = new Background(log, Number(caller));
  const { status, message } = await command(given, background.output, background);
  if (message !== undefined) {
    background.output.message(message);
    background.failed(message, status);
  }
  return status;
}

/** The child that sends what a server must not. Its program takes its words from where they would be if it were alone. */
async function outside(): Promise<number> {
  process.argv.splice(2, 1);
  await import("../ublk/stopper.ts");
  return Number(process.exitCode ?? 0);
}

async function main([first, ...rest]: readonly string[]): Promise<number> {
  if (first === OUTSIDE_WORD) return await outside();
  if (first === STOP_WORD) {
    await (await import("./stop.ts")).stop(Number(rest[0]));
    return 0;
  }
  if (COMPILED) (await import("../ublk/outside.ts")).startOutsideWith(self(OUTSIDE_WORD));
  if (first === DAEMON_WORD) return await inBackground(rest);
  const { status, message } = await command(first === undefined ? [] : [first, ...rest], standard, undefined);
  if (message !== undefined) standard.message(message);
  return status;
}

/** Commands that only look: nothing but {@link standard} writes there, and they are spared making Node's streams. */
const LOOKING: readonly string[] = ["list", "info", "features", "affinity", "stats", "doctor", "completion", "help", "--version", "--help"];

let status: number;
try {
  status = await main(process.argv.slice(2));
} catch (error) {
  standard.message(plainly(error));
  status = 1;
}
// What the library, or a module that was served, has written must be out. A command that the kernel never gave back must not hold the process.
if (!LOOKING.includes(process.argv[2]!))
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done))));
process.exit(status);
