import { defineTarget } from "../ublk/index.ts";
import { closeFiles } from "./files/measure.ts";
import { openStripe, type StripeShared } from "./stripe/open.ts";
import type { StripeOptions } from "./stripe/options.ts";
import { StripeRequests } from "./stripe/requests.ts";

/** Several files or block devices as one disk, chunk by chunk (RAID-0). */
export default defineTarget<StripeOptions, StripeShared>({
  open: openStripe,
  attach: (queue, shared) => new StripeRequests(queue, shared),
  close: closeFiles,
});
