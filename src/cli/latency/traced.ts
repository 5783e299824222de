/**
 * What `stats --latency` sets up in the kernel's tracing, and how it is removed. All names begin with one that says which process it belongs to.
 *
 * @module
 */
import { existsSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lines, names, text } from "../../ublk/proc.ts";
import { leftAmong } from "./owner.ts";

/** Where what is set up under a name is to be found. */
export interface Places {
  /** The tracing instance: triggers in it are nobody else's business. */
  readonly instance: string;
  /** Files of the triggers, in the order in which they can be removed: the first one refers to the last. */
  readonly triggers: readonly [done: string, latency: string, issue: string];
  /** The probes and the synthetic event, as `dynamic_events` names them. */
  readonly events: readonly [issue: string, done: string, latency: string];
}

/** Where what is set up under a name is. */
export function placesOf(folder: string, name: string): Places {
  const instance = join(folder, "instances", name);
  const trigger = (event: string): string => join(instance, "events", event, "trigger");
  return {
    instance,
    triggers: [trigger(`${name}/done`), trigger(`synthetic/${name}_latency`), trigger(`${name}/issue`)],
    events: [`${name}/issue`, `${name}/done`, `synthetic/${name}_latency`],
  };
}

function removeTriggers(path: string): void {
  for (const line of lines(path)) if (line !== "" && !line.startsWith("#")) writeFileSync(path, `!${line.replace(/ \[\w+\]$/, "")}`);
}

/** Removes the instance of a name, and the triggers in it; nothing is counted any more. */
export function removeInstance(folder: string, name: string): void {
  const { instance, triggers } = placesOf(folder, name);
  if (!existsSync(instance)) return;
  for (const path of triggers) removeTriggers(path);
  rmdirSync(instance);
}

/** Removes all that there is under a name. */
export function removeAll(folder: string, name: string): void {
  removeInstance(folder, name);
  const path = join(folder, "dynamic_events");
  const there = text(path) ?? "";
  for (const event of placesOf(folder, name).events) if (there.includes(`:${event}`)) writeFileSync(path, `-:${event}`, { flag: "a" });
}

/** Names of what processes have left behind that were killed hard. */
export function leftNames(folder: string): string[] {
  return leftAmong([...names(join(folder, "instances")), ...lines(join(folder, "dynamic_events"))]);
}
