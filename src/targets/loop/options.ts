import { parseSize, type Size } from "../../ublk/index.ts";
import { checkBoolean, checkChoice, checkKnown, show } from "../../uring/options.ts";
import type { LoopBacking } from "./backing.ts";

const SECTOR = 512;

/** Options of the loop disk. */
export interface LoopOptions {
  /** A regular file or a block device. */
  path: string;
  /** Makes a file of this size, without contents, where there is none. One that is there must have this size. */
  create?: Size;
  /** Clients may only read. Default: only if the file or device cannot be written. */
  readOnly?: boolean;
  /**
   * Past the page cache (`O_DIRECT`): `"auto"` where the file system can and the block size allows it, `true` or an error, `false` never.
   * Default `"auto"`.
   */
  direct?: boolean | "auto";
  /** Logical block; default the device's own, and 512 for files. */
  blockSize?: Size;
  /** Told what was opened, and how. */
  opened?: (backing: LoopBacking) => void;
}

/** The options, sizes in bytes. */
export interface Checked {
  readonly path: string;
  readonly create: number | undefined;
  readonly readOnly: boolean | undefined;
  readonly direct: boolean | "auto";
  readonly blockSize: number | undefined;
}

/** Checks the options before anything is opened. */
export function checkLoop(options: LoopOptions): Checked {
  const what = "loop";
  if (typeof options !== "object" || options === null)
    throw new TypeError("loop: path is missing; give options with at least the path of a file or block device");
  checkKnown(what, options, ["path", "create", "readOnly", "direct", "blockSize", "opened"]);
  const { path, direct = "auto", opened } = options;
  if (typeof path !== "string" || path === "")
    throw new TypeError(`loop: path is ${show(path)}; it must be the path of a file or block device`);
  if (opened !== undefined && typeof opened !== "function") throw new TypeError(`loop: opened is ${show(opened)}; it must be a function`);
  if (options.readOnly !== undefined) checkBoolean(what, "readOnly", options.readOnly);
  if (direct !== true && direct !== false) checkChoice(what, "direct", direct, ["auto"]);
  const blockSize = options.blockSize === undefined ? undefined : parseSize(options.blockSize, "loop: blockSize");
  if (blockSize !== undefined && ![512, 1024, 2048, 4096].includes(blockSize))
    throw new RangeError(`loop: blockSize is ${blockSize}; it must be 512, 1024, 2048 or 4096`);
  const create = options.create === undefined ? undefined : parseSize(options.create, "loop: create");
  const unit = blockSize ?? SECTOR;
  if (create !== undefined && (create === 0 || create % unit !== 0))
    throw new RangeError(`loop: create is ${create} bytes; it must be a positive multiple of ${unit}`);
  if (create !== undefined && options.readOnly === true)
    throw new TypeError("loop: create makes an empty file, which is of no use with readOnly: true; leave one of them out");
  return { path, create, readOnly: options.readOnly, direct, blockSize };
}
