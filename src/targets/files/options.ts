import { parseSize, type Size } from "../../ublk/index.ts";
import { checkBoolean, checkChoice, show } from "../../uring/options.ts";

const SECTOR = 512;

/** What targets on files have in common. */
export interface FileOptions {
  /** Makes a file of this size, without contents, where there is none. One that is there must have this size. */
  create?: Size;
  /** Clients may only read. Default: only if a file or device cannot be written. */
  readOnly?: boolean;
  /**
   * Past the page cache (`O_DIRECT`): `"auto"` where the file system can and the block size allows it, `true` or an error, `false` never.
   * Default `"auto"`.
   */
  direct?: boolean | "auto";
  /** Logical block; default the device's own (the largest of several), and 512 for files. */
  blockSize?: Size;
}

/** The names of {@link FileOptions}. */
export const FILE_OPTIONS: readonly (keyof FileOptions)[] = ["create", "readOnly", "direct", "blockSize"];

/** How files are to be opened: the options, sizes in bytes. */
export interface Manner {
  /** The target, as errors name it. */
  readonly target: string;
  readonly create: number | undefined;
  readonly readOnly: boolean | undefined;
  readonly direct: boolean | "auto";
  readonly blockSize: number | undefined;
}

/** A file that is to be opened. */
export interface FileWish extends Manner {
  /** The option that names it: `path`, `paths[1]`. */
  readonly option: string;
  readonly path: string;
}

/** Checks the options that targets on files have in common. */
export function checkFileOptions(target: string, options: FileOptions): Manner {
  const { readOnly, direct = "auto" } = options;
  if (readOnly !== undefined) checkBoolean(target, "readOnly", readOnly);
  if (direct !== true && direct !== false) checkChoice(target, "direct", direct, ["auto"]);
  const blockSize = options.blockSize === undefined ? undefined : parseSize(options.blockSize, `${target}: blockSize`);
  if (blockSize !== undefined && ![512, 1024, 2048, 4096].includes(blockSize))
    throw new RangeError(`${target}: blockSize is ${blockSize}; it must be 512, 1024, 2048 or 4096`);
  const create = options.create === undefined ? undefined : parseSize(options.create, `${target}: create`);
  const unit = blockSize ?? SECTOR;
  if (create !== undefined && (create === 0 || create % unit !== 0))
    throw new RangeError(`${target}: create is ${create} bytes; it must be a positive multiple of ${unit}`);
  if (create !== undefined && readOnly === true)
    throw new TypeError(`${target}: create makes an empty file, which is of no use with readOnly: true; leave one of them out`);
  return { target, create, readOnly, direct, blockSize };
}

/** Checks a list of files that make one disk. */
export function checkPaths(target: string, paths: unknown, least: number, most: number): readonly string[] {
  const wanted = `it must be an array of ${least} to ${most} paths of files or block devices`;
  if (!Array.isArray(paths)) throw new TypeError(`${target}: paths is ${show(paths)}; ${wanted}`);
  if (paths.length < least || paths.length > most) throw new RangeError(`${target}: paths has ${paths.length} elements; ${wanted}`);
  for (const [i, path] of paths.entries()) {
    if (typeof path !== "string" || path === "")
      throw new TypeError(`${target}: paths[${i}] is ${show(path)}; it must be the path of a file or block device`);
    const twin = paths.indexOf(path);
    if (twin < i) throw new TypeError(`${target}: paths[${i}] is '${path}' as paths[${twin}] is; give each file once`);
  }
  return [...(paths as string[])];
}
