import { Op } from "./op.ts";
import type { DeferredRequest, RequestContext, UblkRequest } from "./request.ts";
import type { Zone } from "./zones.ts";

/** What a zone method may answer: nothing (done), or a promise of it. */
type Done = void | Promise<void>;

/**
 * What a zoned disk's target has besides {@link Methods}, all of it: the disk's `zoned` says how large the zones are. Zones are told by where they
 * start, in bytes. The kernel keeps order among the writes of a zone, and none among appends; the target must refuse writes that are not at
 * the write pointer (EIO), and what would open or activate too many zones (ETOOMANYREFS, EOVERFLOW).
 *
 * @example
 * ```ts
 * import { serve, type Zone } from "uring-ublk";
 * const zoneSize = 2 ** 20;
 * const data = new Uint8Array(4 * zoneSize);
 * const written = [0, 0, 0, 0]; // bytes, by zone
 * const at = (zone: number) => zone / zoneSize;
 * const put = (buffer: Uint8Array, offset: number) => {
 *   const zone = Math.floor(offset / zoneSize);
 *   if (offset !== zone * zoneSize + written[zone]!) throw Object.assign(new Error("not at the write pointer"), { code: "EIO" });
 *   data.set(buffer, offset);
 *   written[zone]! += buffer.length;
 * };
 * await using disk = await serve({
 *   size: data.length,
 *   zoned: { zoneSize },
 *   read: (buffer, offset) => { buffer.set(data.subarray(offset, offset + buffer.length)); },
 *   write: put,
 *   append(buffer, zone) {
 *     const offset = zone + written[at(zone)]!;
 *     put(buffer, offset);
 *     return offset;
 *   },
 *   reportZones: (first, count) =>
 *     written.slice(at(first), at(first) + count).map((bytes, i): Zone => {
 *       const start = first + i * zoneSize;
 *       return { start, writePointer: start + bytes, condition: bytes === 0 ? "empty" : bytes < zoneSize ? "closed" : "full" };
 *     }),
 *   openZone: () => {},
 *   closeZone: () => {},
 *   finishZone: (zone) => { written[at(zone)] = zoneSize; },
 *   resetZone: (zone) => { written[at(zone)] = 0; },
 *   resetAll: () => { written.fill(0); },
 * });
 * console.log((await Bun.$`blkzone report ${disk.path}`.text()).split("\n").length - 1); // 4
 * ```
 */
export interface ZoneMethods {
  /**
   * The zones from the one at `first` on, `count` at most and one at least. The kernel asks for all of them before the disk is there, and again
   * after errors.
   */
  reportZones(first: number, count: number, context: RequestContext): readonly Zone[] | Promise<readonly Zone[]>;
  /** Stores `buffer` at the write pointer of the zone at `zone`, and answers where that was: an offset on the disk. */
  append(buffer: Uint8Array<ArrayBuffer>, zone: number, context: RequestContext): number | Promise<number>;
  /** Opens a zone explicitly. */
  openZone(zone: number, context: RequestContext): Done;
  /** Closes an open zone. */
  closeZone(zone: number, context: RequestContext): Done;
  /** Makes a zone full: nothing more can be written to it. */
  finishZone(zone: number, context: RequestContext): Done;
  /** Empties a zone. */
  resetZone(zone: number, context: RequestContext): Done;
  /** Empties all zones. */
  resetAll(context: RequestContext): Done;
}

/** The names of {@link ZoneMethods}. */
export const ZONE_METHODS: readonly (keyof ZoneMethods)[] = [
  "reportZones",
  "append",
  "openZone",
  "closeZone",
  "finishZone",
  "resetZone",
  "resetAll",
];

/** Calls the zone method that a request is for; undefined is an answer too. `false`: there is none. */
export function callZoneMethod(methods: ZoneMethods, request: UblkRequest): unknown {
  const { context, offset, op } = request;
  switch (op) {
    case Op.REPORT_ZONES:
      return tell(request, methods.reportZones(offset, request.zones, context), (to, zones) => to.reportZones(zones));
    case Op.ZONE_APPEND:
      return tell(request, methods.append(request.bytes, offset, context), (to, at) => to.placeAt(at));
    case Op.ZONE_OPEN:
      return methods.openZone(offset, context);
    case Op.ZONE_CLOSE:
      return methods.closeZone(offset, context);
    case Op.ZONE_FINISH:
      return methods.finishZone(offset, context);
    case Op.ZONE_RESET:
      return methods.resetZone(offset, context);
    case Op.ZONE_RESET_ALL:
      return methods.resetAll(context);
  }
  return false;
}

/** What an answer is told to: the request in the handler's call, and its token later. */
type Told = Pick<DeferredRequest, "placeAt" | "reportZones">;

function tell<Answer>(
  request: UblkRequest,
  answer: Answer | Promise<Answer>,
  say: (to: Told, answer: Answer) => void,
): void | Promise<void> {
  if (typeof (answer as Promise<Answer> | undefined)?.then !== "function") {
    say(request, answer as Answer);
    return;
  }
  const token = request.defer();
  return (answer as Promise<Answer>).then((value) => say(token, value));
}
