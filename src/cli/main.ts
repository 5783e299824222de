#!/usr/bin/env bun
/**
 * The `uring-ublk` command: what the driver can do, which devices there are, and deleting or serving again those that lost
 * their server.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { UblkError } from "../ublk/index.ts";
import { type Arguments, HELP, parseArguments, UsageError } from "./arguments.ts";
import { del } from "./delete.ts";
import { features } from "./features.ts";
import { list } from "./list.ts";
import { type Output, standard } from "./output.ts";
import { recover } from "./recover.ts";
import { STOP_WORD, stop } from "./stop.ts";

/** This package's version: its manifest is one folder up in the built package, two in the sources. */
function version(): string {
  for (const path of ["../package.json", "../../package.json"]) {
    const url = new URL(path, import.meta.url);
    if (!existsSync(url)) continue;
    const { name, version } = JSON.parse(readFileSync(url, "utf8")) as { name?: string; version?: string };
    if (name === "uring-ublk" && version !== undefined) return version;
  }
  return "unknown";
}

async function run(words: readonly string[], output: Output): Promise<number> {
  if (words[0] === STOP_WORD) {
    await stop(Number(words[1]));
    return 0;
  }
  let parsed: Arguments;
  try {
    parsed = parseArguments(words);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    output.message(`${error.message} (see uring-ublk --help)`);
    return 2;
  }
  switch (parsed.command) {
    case "help":
      output.data(HELP);
      return 0;
    case "version":
      output.data(`${version()}\n`);
      return 0;
    case "features":
      return features(output, parsed.json);
    case "list":
      return list(output, parsed.json);
    case "del":
      return del(output, parsed);
    case "recover":
      return recover(output, parsed.ids[0]!);
  }
}

/** An error in words; a stack helps nobody here. Where the driver cannot be reached, cause and remedy say it all. */
function plainly(error: unknown): string {
  if (error instanceof UblkError && error.command === "open" && error.hint !== undefined) return error.hint;
  return error instanceof Error ? error.message : String(error);
}

async function main(): Promise<number> {
  try {
    return await run(process.argv.slice(2), standard);
  } catch (error) {
    standard.message(plainly(error));
    return 1;
  }
}

const status = await main();
// What was written must be out; a command that the kernel never gave back must not hold the process.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done))));
process.exit(status);
