import type { CommandLine } from "../command-line.ts";
import { jsonText, type Output } from "../output.ts";
import { wrap } from "../wrap.ts";
import { devices, state } from "./devices.ts";
import { driver } from "./driver.ts";
import { kernel, platform } from "./kernel.ts";
import type { Check, Finding, Machine } from "./machine.ts";
import { module, nodes } from "./module.ts";
import { ring } from "./ring.ts";
import { thisMachine } from "./this-machine.ts";
import { tracing } from "./tracing.ts";
import { rights, users } from "./users.ts";

const CHECKS: readonly Check[] = [platform, kernel, rights, ring, module, nodes, driver, users, state, devices, tracing];

/** Everything that the checks find on a machine. A check that fails itself is a finding, too, and the others go on. */
export async function examine(machine: Machine): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of CHECKS) {
    try {
      findings.push(...(await check(machine)));
    } catch (error) {
      findings.push({ check: check.name, level: "warning", message: `it could not be looked at: ${(error as Error).message}` });
    }
  }
  return findings;
}

const MARKS: Readonly<Record<Finding["level"], string>> = { ok: "ok", note: "note", warning: "WARNING", problem: "PROBLEM" };
const INDENT = 10;

function text({ level, message, remedy }: Finding): string {
  const first = `${MARKS[level].padEnd(INDENT)}${wrap(message, INDENT).trimStart()}`;
  return remedy === undefined ? first : `${first}\n${wrap(`What helps: ${remedy}`, INDENT)}`;
}

/** `uring-ublk doctor`. */
export async function doctor(line: CommandLine, output: Output, machine: Machine = thisMachine()): Promise<number> {
  const findings = await examine(machine);
  const sound = findings.every(({ level }) => level === "ok" || level === "note");
  if (line.json) output.data(jsonText({ sound, findings }));
  else output.data(`${findings.map(text).join("\n")}\n`);
  return sound ? 0 : 1;
}
