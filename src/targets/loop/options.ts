import { checkKnown, show } from "../../uring/options.ts";
import { checkFileOptions, FILE_OPTIONS, type FileOptions, type FileWish } from "../files/options.ts";
import type { LoopBacking } from "./backing.ts";

/** Options of the loop disk. */
export interface LoopOptions extends FileOptions {
  /** A regular file or a block device. */
  path: string;
  /** Told what was opened, and how. */
  opened?: (backing: LoopBacking) => void;
}

/** Checks the options before anything is opened. */
export function checkLoop(options: LoopOptions): FileWish {
  const target = "loop";
  if (typeof options !== "object" || options === null)
    throw new TypeError("loop: path is missing; give options with at least the path of a file or block device");
  checkKnown(target, options, ["path", ...FILE_OPTIONS, "opened"]);
  const { path, opened } = options;
  if (typeof path !== "string" || path === "")
    throw new TypeError(`loop: path is ${show(path)}; it must be the path of a file or block device`);
  if (opened !== undefined && typeof opened !== "function") throw new TypeError(`loop: opened is ${show(opened)}; it must be a function`);
  return { ...checkFileOptions(target, options), option: "path", path };
}
