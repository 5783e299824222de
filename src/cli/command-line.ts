import type { Command } from "./commands.ts";
import type { OptionValue } from "./option.ts";

/** A command line, understood. */
export class CommandLine {
  readonly command: Command;
  /** What is no option: as it was given. */
  readonly words: readonly string[];
  /** The devices among them, each once. */
  readonly ids: readonly number[];
  readonly #values: ReadonlyMap<string, OptionValue>;

  constructor(command: Command, given: { words?: readonly string[]; ids?: readonly number[]; values?: ReadonlyMap<string, OptionValue> }) {
    this.command = command;
    this.words = given.words ?? [];
    this.ids = given.ids ?? [];
    this.#values = given.values ?? new Map();
  }

  /** The options that were given, by their names. */
  get given(): readonly string[] {
    return [...this.#values.keys()];
  }

  /** What an option was given, whatever it is. */
  value(name: string): OptionValue | undefined {
    return this.#values.get(name);
  }

  flag(name: string): boolean {
    return this.#values.get(name) === true;
  }

  number(name: string): number | undefined {
    const value = this.#values.get(name);
    return typeof value === "number" ? value : undefined;
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name);
    return typeof value === "string" ? value : undefined;
  }

  list(name: string): readonly string[] {
    const value = this.#values.get(name);
    return Array.isArray(value) ? (value as readonly string[]) : [];
  }

  /** Machine-readable output is asked for. */
  get json(): boolean {
    return this.flag("--json");
  }

  /** How long something may take: what was asked for, or the command's own. */
  seconds(standard: number): number {
    return this.number("--timeout") ?? standard;
  }
}
