import { addressOf } from "../../ffi/index.ts";
import * as abi from "../abi.ts";
import { checkInteger, checkKnown } from "../options.ts";
import {
  io_uring_region_desc,
  io_uring_zcrx_area_reg,
  io_uring_zcrx_ifq_reg,
  io_uring_zcrx_offsets,
  zcrx_ctrl,
  zcrx_ctrl_arm_event,
  zcrx_ctrl_export,
  zcrx_event_desc,
} from "../structs.ts";
import { AccessRegistrations } from "./access.ts";

/** What {@link Registrations.zcrxInterface} is told. Addresses are page-aligned memory of the caller. */
export interface ZcrxInterfaceOptions {
  /** Index of the network interface (`if_nametoindex(3)`), and the receive queue on it. */
  interfaceIndex: number;
  /** The receive queue. */
  queue: number;
  /** Entries of the refill ring, a power of two. */
  entries: number;
  /** Where the network card writes: memory, or a dma-buf. */
  area: { readonly address: number; readonly length: number } | { readonly dmabuf: number; readonly length: number };
  /** Memory of the refill ring. */
  refill: { readonly address: number; readonly length: number };
  /** Bytes in a receive buffer (`ZCRX_FEATURE_RX_PAGE_SIZE`); default a page. */
  bufferLength?: number;
  /** No device: all data is copied (`ZCRX_REG_NODEV`). */
  noDevice?: boolean;
  /**
   * CQEs for events: their user_data and a mask of `1 << ZCRX_EVENT_*`. `statsOffset`: the kernel counts copies at that place of the
   * refill ring's memory (`struct zcrx_stats`).
   */
  events?: { readonly userData: bigint; readonly mask: number; readonly statsOffset?: number };
}

/** What the kernel answers: the number for `recvZc`, the token of the area in the refill ring, and where that ring's words are. */
export interface ZcrxInterface {
  /** The instance's number. */
  readonly id: number;
  /** What entries of the refill ring add to their offsets. */
  readonly areaToken: bigint;
  /** Offset of the refill ring's head, in its memory. */
  readonly head: number;
  /** Offset of its tail. */
  readonly tail: number;
  /** Offset of its entries (`struct io_uring_zcrx_rqe`). */
  readonly entries: number;
}

const NEEDS =
  "EPERM: it needs CAP_NET_ADMIN; EOPNOTSUPP, ENODEV: the card or its driver has no header split and page pools; EINVAL: the ring needs taskrun 'defer' and CQEs of 32 bytes";

/** A ring's registrations: `io_uring_register(2)`, one method per operation.
 *
 * Each throws a UringError that names the operation; none touches JavaScript memory after it has returned, except the buffers
 * that are registered, which must outlive their registration.
 */
export class Registrations extends AccessRegistrations {
  /** `IORING_REGISTER_ZCRX_IFQ` (6.15): a receive queue of a network card, for receives without a copy (`IORING_OP_RECV_ZC`). */
  zcrxInterface(options: ZcrxInterfaceOptions): ZcrxInterface {
    const what = "zcrxInterface";
    checkKnown(what, options, ["interfaceIndex", "queue", "entries", "area", "refill", "bufferLength", "noDevice", "events"]);
    checkInteger(what, "interfaceIndex", options.interfaceIndex, 0, 0x7fff_ffff);
    checkInteger(what, "queue", options.queue, 0, 0x7fff_ffff);
    checkInteger(what, "entries", options.entries, 1, 32768);
    const { area: place, refill, events } = options;
    const area = io_uring_zcrx_area_reg.build(
      "dmabuf" in place
        ? { len: place.length, flags: abi.IORING_ZCRX_AREA_DMABUF, dmabuf_fd: place.dmabuf }
        : { addr: place.address, len: place.length },
    );
    const region = io_uring_region_desc.build({ user_addr: refill.address, size: refill.length, flags: abi.IORING_MEM_REGION_TYPE_USER });
    const event = events === undefined ? undefined : eventsArgument(events);
    const arg = io_uring_zcrx_ifq_reg.build({
      if_idx: options.interfaceIndex,
      if_rxq: options.queue,
      rq_entries: options.entries,
      flags: options.noDevice ? abi.ZCRX_REG_NODEV : 0,
      area_ptr: addressOf(area),
      region_ptr: addressOf(region),
      rx_buf_len: options.bufferLength ?? 0,
      event_desc: event === undefined ? 0 : addressOf(event),
    });
    this.held = [area, region, event];
    this.call("zcrx interface", abi.IORING_REGISTER_ZCRX_IFQ, arg, 1, NEEDS);
    const offsets = io_uring_zcrx_ifq_reg.fields.offsets[0];
    return {
      id: io_uring_zcrx_ifq_reg.get(arg, "zcrx_id"),
      areaToken: io_uring_zcrx_area_reg.getBig(area, "rq_area_token"),
      head: io_uring_zcrx_offsets.get(arg, "head", offsets),
      tail: io_uring_zcrx_offsets.get(arg, "tail", offsets),
      entries: io_uring_zcrx_offsets.get(arg, "rqes", offsets),
    };
  }

  /**
   * `IORING_REGISTER_ZCRX_IFQ` with `ZCRX_REG_IMPORT` (6.19): an instance of another ring, by the descriptor of
   * {@link Registrations.zcrxExport}. Answers its number on this ring.
   */
  zcrxImport(fd: number): number {
    checkInteger("zcrxImport", "fd", fd, 0, 0x7fff_ffff);
    const arg = io_uring_zcrx_ifq_reg.build({ if_idx: fd, flags: abi.ZCRX_REG_IMPORT });
    this.call("imported zcrx interface", abi.IORING_REGISTER_ZCRX_IFQ, arg, 1, `EBADF: the descriptor is no exported instance; ${NEEDS}`);
    return io_uring_zcrx_ifq_reg.get(arg, "zcrx_id");
  }

  /** `IORING_REGISTER_ZCRX_CTRL` with `FLUSH_RQ` (6.19): the kernel takes what is in the refill ring now. */
  zcrxFlush(id: number): void {
    this.#zcrx("zcrx flush", id, abi.ZCRX_CTRL_FLUSH_RQ);
  }

  /** `IORING_REGISTER_ZCRX_CTRL` with `EXPORT` (6.19): a descriptor that another ring imports the instance by. */
  zcrxExport(id: number): number {
    return zcrx_ctrl_export.getSigned(this.#zcrx("zcrx export", id, abi.ZCRX_CTRL_EXPORT), "zcrx_fd", zcrx_ctrl.fields.zc_export[0]);
  }

  /** `IORING_REGISTER_ZCRX_CTRL` with `ARM_EVENT` (7.2): the next event of the kind (`ZCRX_EVENT_*`) is told again. */
  zcrxArmEvent(id: number, event: number): void {
    checkInteger("zcrxArmEvent", "event", event, 0, 31);
    this.#zcrx("zcrx arm event", id, abi.ZCRX_CTRL_ARM_EVENT, event);
  }

  #zcrx(name: string, id: number, op: number, event = 0): DataView<ArrayBuffer> {
    checkInteger(name, "id", id, 0, 0xffff_ffff);
    const arg = zcrx_ctrl.build({ zcrx_id: id, op });
    zcrx_ctrl_arm_event.set(arg, "event_type", event, zcrx_ctrl.fields.zc_arm_event[0]);
    this.call(
      name,
      abi.IORING_REGISTER_ZCRX_CTRL,
      arg,
      0,
      "ENXIO: there is no instance of that number; EINVAL: the kernel is older than 6.19",
    );
    return arg;
  }
}

function eventsArgument({ userData, mask, statsOffset }: NonNullable<ZcrxInterfaceOptions["events"]>): DataView<ArrayBuffer> {
  checkInteger("zcrxInterface", "events.mask", mask, 0, 0xffff_ffff);
  if (statsOffset === undefined) return zcrx_event_desc.build({ user_data: userData, type_mask: mask });
  checkInteger("zcrxInterface", "events.statsOffset", statsOffset, 0, Number.MAX_SAFE_INTEGER);
  return zcrx_event_desc.build({
    user_data: userData,
    type_mask: mask,
    flags: abi.ZCRX_EVENT_DESC_FLAG_STATS,
    stats_offset: statsOffset,
  });
}
