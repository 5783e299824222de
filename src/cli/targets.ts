import type { Option } from "./option.ts";

/** A kind of disk that `add` makes. */
export interface TargetKind {
  readonly name: string;
  /** The words behind its name, as help has them. */
  readonly usage: string;
  /** How many there may be. */
  readonly words: readonly [least: number, most: number];
  readonly summary: string;
  /** Names of its options; see {@link TARGET_OPTIONS}. */
  readonly options: readonly string[];
}

const FILES = ["--create", "--direct", "--block-size", "--read-only"] as const;

/** What `add` serves. */
export const TARGETS: readonly TargetKind[] = [
  {
    name: "null",
    usage: "",
    words: [0, 0],
    summary: "a disk without contents: every request succeeds at once",
    options: ["--size", "--block-size"],
  },
  {
    name: "loop",
    usage: "PATH",
    words: [1, 1],
    summary: "a file or a block device",
    options: FILES,
  },
  {
    name: "memory",
    usage: "",
    words: [0, 0],
    summary: "memory of the server; gone when that ends",
    options: ["--size", "--max-size", "--block-size"],
  },
  {
    name: "stripe",
    usage: "PATH...",
    words: [1, 4],
    summary: "up to 4 files or block devices as one, chunk by chunk (RAID-0)",
    options: ["--chunk", ...FILES],
  },
  {
    name: "mirror",
    usage: "PATH PATH...",
    words: [2, 4],
    summary: "2 to 4 files or block devices that hold the same (RAID-1)",
    options: FILES,
  },
  {
    name: "nbd",
    usage: "HOST[:PORT]",
    words: [1, 1],
    summary: "the export of an NBD server",
    options: ["--export", "--answer-within", "--read-only"],
  },
];

/** A module of the user's. */
export const FILE_TARGET: TargetKind = {
  name: "FILE.ts",
  usage: "",
  words: [0, 0],
  summary: "the target that a module exports as default",
  options: ["--set"],
};

/** Options that belong to the disk. */
export const TARGET_OPTIONS: readonly Option[] = [
  { name: "--size", kind: "size", value: "SIZE", help: "capacity (memory: needed; null: default 250 GiB)" },
  { name: "--max-size", kind: "size", value: "SIZE", help: "what the disk may be resized to (default --size)" },
  { name: "--block-size", kind: "size", value: "SIZE", help: "logical block: 512, 1024, 2048 or 4096 (default 512, or the device's own)" },
  { name: "--create", kind: "size", value: "SIZE", help: "makes each file with this size where there is none" },
  {
    name: "--direct",
    kind: "choice",
    value: "WHEN",
    choices: ["auto", "always", "never"],
    help: "past the page cache: auto, always, never (default auto)",
  },
  { name: "--chunk", kind: "size", value: "SIZE", help: "bytes that lie together in a file (default 64k)" },
  { name: "--export", kind: "text", value: "NAME", help: "the name of the export (default the server's own choice)" },
  {
    name: "--answer-within",
    kind: "count",
    value: "MS",
    range: [1, 86_400_000],
    help: "how long the server may leave something without an answer (default 30000)",
  },
  { name: "--set", kind: "list", value: "NAME=VALUE", help: "an option for the module's open(); JSON, or else text; may be repeated" },
];
