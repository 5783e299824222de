import { MODES } from "../ublk/data-mode.ts";
import { RECOVERIES } from "../ublk/recovery.ts";
import { REGISTRATIONS } from "../ublk/registration.ts";
import type { CommandLine } from "./command-line.ts";
import type { Option } from "./option.ts";

/** Options of `add` that say how a disk is served: those of `serve`. */
export const SERVING: readonly Option[] = [
  { name: "--id", kind: "count", range: [0, 2 ** 20 - 1], help: "the N of /dev/ublkbN (default the first free one)" },
  { name: "--queues", kind: "count", range: [1, 4096], help: "hardware queues (default 1)" },
  { name: "--threads", kind: "count", range: [1, 4096], help: "threads per queue (default 1; Linux 6.16)" },
  { name: "--depth", kind: "count", range: [1, 4096], help: "requests in flight per queue (default 128)" },
  { name: "--max-io", kind: "size", value: "SIZE", help: "the largest request (default 512k)" },
  {
    name: "--mode",
    kind: "choice",
    value: "MODE",
    choices: MODES.map(({ name }) => name),
    help: `how data moves: ${MODES.map(({ name }) => name).join(", ")} (default the best there is)`,
  },
  {
    name: "--registration",
    kind: "choice",
    value: "HOW",
    choices: REGISTRATIONS,
    help: `with --mode zero-copy: ${REGISTRATIONS.join(", ")}`,
  },
  { name: "--batch", kind: "flag", help: "requests come and go by the list (Linux 7.0)" },
  {
    name: "--recovery",
    kind: "choice",
    value: "HOW",
    choices: RECOVERIES,
    help: `what becomes of the disk when its server dies: ${RECOVERIES.join(", ")} (default none: it goes)`,
  },
  { name: "--unprivileged", kind: "flag", help: "a disk of the user who calls, who is not root (Linux 6.3; see docs/admin.md)" },
  { name: "--read-only", kind: "flag", help: "clients may only read" },
  { name: "--rotational", kind: "flag", help: "clients schedule as for a spinning disk" },
  { name: "--serialize", kind: "flag", help: "one request at a time" },
  { name: "--lock-memory", kind: "flag", help: "requests' data is in memory that stays in RAM" },
  { name: "--no-partition-scan", kind: "flag", help: "the kernel does not look for partitions (Linux 7.0)" },
  { name: "--watchdog", kind: "count", value: "MS", range: [40, 2 ** 31 - 1], help: "tells in the log what takes longer" },
];

/** Names that differ from serve's by more than their spelling. */
const OTHER_NAMES: Readonly<Record<string, readonly [name: string, value?: boolean]>> = {
  "--no-partition-scan": ["partitionScan", false],
  "--watchdog": ["watchdogMs"],
};

/** `--max-io` is `maxIo`. */
export const camel = (option: string): string => option.slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** What the options of a table were given, by the names that the library has for them. */
export function givenOf(line: CommandLine, options: readonly Option[]): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const { name } of options) {
    const value = line.value(name);
    const [other = camel(name), fixed] = OTHER_NAMES[name] ?? [];
    if (value !== undefined) given[other] = fixed ?? value;
  }
  return given;
}
