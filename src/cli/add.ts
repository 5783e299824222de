import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { serve, type UblkDevice } from "../ublk/index.ts";
import { nearest } from "../uring/options.ts";
import { servedAgain } from "./again.ts";
import { bundledUrl } from "./bundled.ts";
import type { CommandLine } from "./command-line.ts";
import type { Front } from "./front.ts";
import { explainModule } from "./module-error.ts";
import type { Output } from "./output.ts";
import { type Plan, planOf } from "./plan.ts";
import { serveHere } from "./serve-here.ts";
import { startInBackground } from "./start.ts";

/** `uring-ublk add`. `front` is there where this process is to serve. */
export async function add(line: CommandLine, given: readonly string[], output: Output, front: Front | undefined): Promise<number> {
  const plan = planOf(line);
  if (plan.file !== undefined && !existsSync(plan.file)) throw new Error(`there is no ${plan.file}${similar(plan.file)}`);
  if (front !== undefined) return await serveHere(() => begin(plan, line.flag("--again")), front, output);
  return await startInBackground(line, given, output);
}

async function begin({ module, file, options, serving }: Plan, again: boolean): Promise<UblkDevice> {
  const url = typeof module === "string" ? bundledUrl(module) : module;
  const all = { ...serving, options: options as never };
  try {
    return (again ? await servedAgain(url, all) : undefined) ?? (await serve<never>(url, all));
  } catch (error) {
    if (file === undefined || isMachine(error)) throw error;
    throw new Error(explainModule(error, file), { cause: error });
  }
}

/** Whether it is the kernel or the machine that refuses, and not the module that is wrong. */
const isMachine = (error: unknown): boolean => (error as { name?: string }).name === "UblkError";

/** A file beside one that is not there. */
function similar(path: string): string {
  const extension = extname(path);
  try {
    const names = readdirSync(dirname(path)).filter((name) => extname(name) === extension);
    const meant = nearest(basename(path), names);
    return meant === undefined ? "" : `; did you mean ${join(dirname(path), meant)}?`;
  } catch {
    return "";
  }
}
