import { defineTarget } from "../ublk/index.ts";
import { type NbdShared, openNbd } from "./nbd/open.ts";
import type { NbdOptions } from "./nbd/options.ts";
import { attachNbd } from "./nbd/requests.ts";

/** A disk over TCP: the export of an NBD server. */
export default defineTarget<NbdOptions, NbdShared>({ open: openNbd, attach: attachNbd });
