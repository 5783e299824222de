/** Zones and metadata: a zoned disk has all zone methods and no discards, and another none. What is not so does not compile. */
import { defineTarget, type RequestMetadata, serve, type Tuple, type Zone, type ZoneMethods } from "uring-ublk";
import { integrity, zoned } from "uring-ublk/targets";
import { expectType, type Same } from "./expect-type.ts";

const plain = { size: 2 ** 22, read: (_: Uint8Array): void => {}, write: (_: Uint8Array): void => {} };
const methods: ZoneMethods = {
  reportZones: (first): Zone[] => [{ start: first, writePointer: first, condition: "empty" }],
  append: (_buffer, zone) => zone,
  openZone() {},
  closeZone() {},
  finishZone: async () => {},
  resetZone() {},
  resetAll() {},
};

serve({ ...plain, zoned: { zoneSize: "1 MiB", maxOpen: 3 }, ...methods });
serve({
  size: "4 MiB",
  zoned: { zoneSize: 4096 },
  ops: { zones: true, flush: true },
  handle: (request) => request.placeAt(request.offset),
});
serve(zoned({ size: "64 MiB", conventional: 2 }));
defineTarget({ open: () => ({ size: 2 ** 22, zoned: { zoneSize: 2 ** 20 } }), attach: () => ({ ...plain, ...methods }) });

// @ts-expect-error zones without methods for them
serve({ ...plain, zoned: { zoneSize: "1 MiB" } });
// @ts-expect-error methods for zones, and no zones
serve({ ...plain, ...methods });
// @ts-expect-error the size of the zones is missing
serve({ ...plain, zoned: {}, ...methods });
// @ts-expect-error one of the methods is missing
serve({ ...plain, zoned: { zoneSize: 4096 }, ...methods, append: undefined });
// @ts-expect-error a zone is emptied by resetZone
serve({ ...plain, zoned: { zoneSize: 4096 }, ...methods, discard: () => {} });
// @ts-expect-error zones stay as they are
serve({ ...plain, zoned: { zoneSize: 4096 }, ...methods, resize: () => {} });
// @ts-expect-error handle must say that it takes zones
serve({ size: 8192, zoned: { zoneSize: 4096 }, handle: () => {} });
// @ts-expect-error an append says where
serve({ ...plain, zoned: { zoneSize: 4096 }, ...methods, append: () => {} });
// @ts-expect-error no condition of a zone
const zone: Zone = { start: 0, writePointer: 0, condition: "open" };
// @ts-expect-error a conventional zone has no write pointer
const other: Zone = { start: 0, conventional: true, writePointer: 0 };

serve({
  ...plain,
  integrity: { checksum: "crc64-nvme" },
  read(_buffer, _offset, { metadata }) {
    expectType<Same<typeof metadata, RequestMetadata | undefined>>();
    const tuple = metadata?.tuple(0);
    expectType<Same<typeof tuple, Tuple | undefined>>();
  },
});
serve(integrity({ path: "/tmp/image", checksum: "ip" }));
// @ts-expect-error no checksum of the kernel's
serve({ ...plain, integrity: { checksum: "md5" } });
// @ts-expect-error there is nothing to check without one
integrity({ path: "/tmp/image", checksum: "none" });
void [zone, other];
