import { defineTarget } from "../ublk/index.ts";
import { closeFiles, type FilesShared } from "./files/measure.ts";
import { openBacking } from "./loop/backing.ts";
import type { LoopOptions } from "./loop/options.ts";
import { LoopRequests } from "./loop/requests.ts";

/** A file or block device as a disk: data moves by operations of the queue's own ring. */
export default defineTarget<LoopOptions, FilesShared>({
  open: openBacking,
  attach: (queue, shared) => new LoopRequests(queue, shared),
  close: closeFiles,
});
