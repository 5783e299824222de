import type { Checksum, Size } from "../../ublk/index.ts";
import { checkChoice, checkKnown, show } from "../../uring/options.ts";
import { checkFileOptions, type FileWish } from "../files/options.ts";

/** Options of the disk with protection information. */
export interface IntegrityOptions {
  /** A regular file that holds the data. */
  path: string;
  /** A regular file that holds the metadata; default `path` with `.metadata` behind it. Made where there is none. */
  metadataPath?: string;
  /** Makes the file of the data with this size, where there is none. One that is there must have this size. */
  create?: Size;
  /** `"ip"`, `"crc16-t10dif"` or `"crc64-nvme"`; default `"crc16-t10dif"`. */
  checksum?: Exclude<Checksum, "none">;
  /** Logical block, and the data that a tuple belongs to; default 4096. */
  blockSize?: Size;
}

/** The same, checked. */
export interface IntegrityWish {
  readonly data: FileWish;
  readonly metadataPath: string;
  readonly checksum: Exclude<Checksum, "none">;
  readonly blockSize: number;
}

const NAMES = ["path", "metadataPath", "create", "checksum", "blockSize"] as const;

/** Checks the options before anything is opened. */
export function checkIntegrityOptions(options: IntegrityOptions): IntegrityWish {
  checkKnown("integrity", options ?? {}, NAMES);
  const text = (name: "path" | "metadataPath", value: unknown): string => {
    if (typeof value === "string" && value !== "") return value;
    throw new TypeError(`integrity: ${name} is ${show(value)}; it must be the path of a file`);
  };
  const path = text("path", options?.path);
  const metadataPath = options.metadataPath === undefined ? `${path}.metadata` : text("metadataPath", options.metadataPath);
  if (metadataPath === path) throw new TypeError(`integrity: metadataPath is '${path}' as path is; give another file`);
  const checksum = checkChoice<Exclude<Checksum, "none">>("integrity", "checksum", options.checksum ?? "crc16-t10dif", [
    "ip",
    "crc16-t10dif",
    "crc64-nvme",
  ]);
  const manner = checkFileOptions("integrity", {
    blockSize: options.blockSize ?? 4096,
    direct: false,
    readOnly: false,
    ...(options.create === undefined ? {} : { create: options.create }),
  });
  return { data: { ...manner, option: "path", path }, metadataPath, checksum, blockSize: manner.blockSize! };
}
