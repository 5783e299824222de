import type { Holder } from "../../ublk/index.ts";
import type { Device } from "../survey.ts";

/** How an attempt went: what it gave, or the error's name and what is said of it. */
export type Attempt<T> = { readonly value: T } | { readonly code: string; readonly message: string };

/**
 * All that the checks look at. The real one is this machine; a test has one of its own for each finding.
 */
export interface Machine {
  /** `uname -r`. */
  readonly release: string;
  /** `process.arch`. */
  readonly arch: string;
  /** Bun's version. */
  readonly bun: string;
  /** A file's text, without the blanks around it; undefined where it cannot be read. */
  read(path: string): string | undefined;
  /** The names in a folder; empty where there is none. */
  list(path: string): readonly string[];
  exists(path: string): boolean;
  /** Whether a node can be opened for reading and writing. */
  opens(path: string): boolean;
  /** Whether a folder can be written to, or made. */
  writable(path: string): boolean;
  /** Sets up a ring as control commands need it. */
  ring(): Promise<Attempt<true>>;
  /** Asks the driver for its features. */
  features(): Promise<Attempt<number>>;
  /** Every device. */
  devices(): Promise<readonly Device[]>;
  /** Who uses a disk. */
  holders(id: number): readonly Holder[];
  /** Who has the server's side of a device, in words. */
  serverSide(id: number): readonly string[];
  /** Where state files are. */
  readonly stateDirectory: string;
}

/** Something that was looked at. */
export interface Finding {
  /** Which check: a word that stays the same. */
  readonly check: string;
  /** `ok`; `note`: good to know; `warning`: may do harm; `problem`: keeps something from working. */
  readonly level: "ok" | "note" | "warning" | "problem";
  readonly message: string;
  /** What would help. */
  readonly remedy?: string;
  /** The device that it is about. */
  readonly device?: number;
}

/** A check: what it finds. */
export type Check = (machine: Machine) => Finding[] | Promise<Finding[]>;

/** "6.18.44-cloud-amd64" is [6, 18]. */
export function versionOf(release: string): readonly [major: number, minor: number] {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return [Number(major), Number(minor)];
}

/** Whether a kernel is at least of a version such as "6.16". */
export function atLeast(release: string, wanted: string): boolean {
  const [major, minor] = versionOf(release);
  const [least, under] = versionOf(wanted);
  return major > least || (major === least && minor >= under);
}
