import { defineTarget } from "../ublk/index.ts";
import { closeMirror, type MirrorShared, openMirror } from "./mirror/open.ts";
import type { MirrorOptions } from "./mirror/options.ts";
import { MirrorRequests } from "./mirror/requests.ts";

/** Several files or block devices that hold the same, as one disk (RAID-1). */
export default defineTarget<MirrorOptions, MirrorShared>({
  open: openMirror,
  attach: (queue, shared) => new MirrorRequests(queue, shared),
  close: closeMirror,
});
