import { checkKnown, show } from "../../uring/options.ts";
import { checkFileOptions, checkPaths, FILE_OPTIONS, type FileOptions, type Manner } from "../files/options.ts";
import type { FailedLeg } from "./health.ts";

/** Options of the mirrored disk. `create` is the size of each file: all are made, or all are there. */
export interface MirrorOptions extends FileOptions {
  /** 2 to 4 regular files or block devices that hold the same; the disk has the size of the smallest. */
  paths: readonly string[];
  /**
   * Told of each leg that missed a write and is not used any more, on the thread that called `serve`, wherever the disk is served.
   * Without it the disk's `requesterror` event tells, and stderr where nobody listens.
   */
  degraded?: (leg: FailedLeg) => void;
}

/** The options, checked. */
export interface CheckedMirror {
  readonly paths: readonly string[];
  readonly manner: Manner;
  readonly degraded: MirrorOptions["degraded"];
}

/** Checks the options before anything is opened. */
export function checkMirror(options: MirrorOptions): CheckedMirror {
  const target = "mirror";
  if (typeof options !== "object" || options === null)
    throw new TypeError('mirror: paths is missing; give options such as { paths: ["/a.img", "/b.img"] }');
  checkKnown(target, options, ["paths", ...FILE_OPTIONS, "degraded"]);
  const paths = checkPaths(target, options.paths, 2, 4);
  const { degraded } = options;
  if (degraded !== undefined && typeof degraded !== "function")
    throw new TypeError(`mirror: degraded is ${show(degraded)}; it must be a function`);
  return { paths, manner: checkFileOptions(target, options), degraded };
}
