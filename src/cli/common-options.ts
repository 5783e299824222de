import type { Option } from "./option.ts";

/** Options that several commands have. */
export const COMMON = {
  json: { name: "--json", kind: "flag", help: "machine-readable output" } satisfies Option,
  timeout: (standard: number, help: string): Option => ({
    name: "--timeout",
    kind: "count",
    value: "SECONDS",
    range: [1, 86_400],
    help: `${help}, in seconds (default ${standard})`,
  }),
  force: (help: string): Option => ({ name: "--force", kind: "flag", help }),
} as const;

/** Options that stand anywhere. */
export const ANYWHERE: Readonly<Record<string, "help" | "version">> = {
  "--help": "help",
  "-h": "help",
  "--version": "version",
  "-V": "version",
};
