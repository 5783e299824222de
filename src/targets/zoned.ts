import { defineTarget } from "../ublk/index.ts";
import { checkZonedOptions, type ZonedOptions } from "./zoned/options.ts";
import { ZonedRequests } from "./zoned/requests.ts";
import { closeStore, openStore, type ZonedShared } from "./zoned/store.ts";

/** A zoned disk in memory or in a file. */
export default defineTarget({
  async open(options: ZonedOptions) {
    const plan = checkZonedOptions(options);
    const shared: ZonedShared = await openStore(plan);
    const { size, blockSize, zoneSize, maxOpen, maxActive } = plan;
    return { size, blockSize, zoned: { zoneSize, maxOpen, maxActive }, zeroCopy: true, synchronous: true, members: 1, shared };
  },
  attach: (queue, shared) => new ZonedRequests(queue, shared),
  close: closeStore,
});
