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
  /** There is no disk without a size, and nothing that it could be taken from. */
  readonly needsSize?: true;
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
    needsSize: true,
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
    name: "zoned",
    usage: "[PATH]",
    words: [0, 1],
    summary: "a disk of zones, in memory or in a file (Linux 6.6)",
    options: ["--size", "--zone-size", "--zone-capacity", "--conventional", "--max-open", "--max-active", "--block-size"],
    needsSize: true,
  },
  {
    name: "integrity",
    usage: "PATH",
    words: [1, 1],
    summary: "a file whose blocks have checksums, in a file beside it (Linux 7.0)",
    options: ["--create", "--checksum", "--metadata-path", "--block-size"],
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
  { name: "--size", kind: "size", value: "SIZE", help: "capacity (memory, zoned: needed; null: default 250 GiB)" },
  { name: "--max-size", kind: "size", value: "SIZE", help: "what the disk may be resized to (default --size)" },
  {
    name: "--block-size",
    kind: "size",
    value: "SIZE",
    help: "logical block: 512, 1024, 2048 or 4096 (default 512, or the device's own; zoned, integrity: 4096)",
  },
  { name: "--create", kind: "size", value: "SIZE", help: "makes each file with this size where there is none" },
  {
    name: "--direct",
    kind: "choice",
    value: "WHEN",
    choices: ["auto", "always", "never"],
    help: "past the page cache: auto, always, never (default auto)",
  },
  { name: "--chunk", kind: "size", value: "SIZE", help: "bytes that lie together in a file (default 64k)" },
  { name: "--zone-size", kind: "size", value: "SIZE", help: "bytes in a zone: a power of two from 64k to 512GiB (default 4MiB)" },
  { name: "--zone-capacity", kind: "size", value: "SIZE", help: "bytes of a zone that can be written (default --zone-size)" },
  { name: "--conventional", kind: "count", value: "N", help: "so many zones at the start are written anywhere (default 0)" },
  { name: "--max-open", kind: "count", value: "N", help: "zones that may be open at once (default 0: no limit)" },
  { name: "--max-active", kind: "count", value: "N", help: "zones that may be open or closed at once (default 0: no limit)" },
  {
    name: "--checksum",
    kind: "choice",
    value: "KIND",
    choices: ["ip", "crc16-t10dif", "crc64-nvme"],
    help: "of each block: ip, crc16-t10dif, crc64-nvme (default crc16-t10dif)",
  },
  { name: "--metadata-path", kind: "text", value: "FILE", help: "where the checksums are (default PATH.metadata)" },
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
