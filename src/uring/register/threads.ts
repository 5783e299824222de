import * as abi from "../abi.ts";
import { checkBoolean, checkChoice, checkInteger, checkKnown } from "../options.ts";
import { io_uring_clock_register, io_uring_napi } from "../structs.ts";
import { MemoryRegistrations } from "./memory.ts";

const CPUS_MAX = 8192;
const CLOCK_IDS = { monotonic: 1, boottime: 7 } as const;
const TRACKING = {
  dynamic: abi.IO_URING_NAPI_TRACKING_DYNAMIC,
  static: abi.IO_URING_NAPI_TRACKING_STATIC,
  inactive: abi.IO_URING_NAPI_TRACKING_INACTIVE,
} as const;

/** Busy polling of network queues while the ring waits. */
export interface NapiSettings {
  /** Microseconds to poll; 0 does not. */
  busyPollUs: number;
  /** Whether the device's interrupts are held back as long as it is polled. */
  prefer: boolean;
  /** Which queues: those of sockets that were used (`"dynamic"`), those that were added (`"static"`, 6.13), none (`"inactive"`). */
  tracking: "dynamic" | "static" | "inactive";
}

/** Worker threads, busy polling, the clock of waits, and the eventfd. */
export class ThreadRegistrations extends MemoryRegistrations {
  /** `IORING_REGISTER_EVENTFD` (5.2): the eventfd is signalled with every CQE, or when there is work for a deferred ring. */
  eventfd(fd: number): void {
    this.call("eventfd", abi.IORING_REGISTER_EVENTFD, Int32Array.of(fd), 1, "EBUSY: the ring has one already");
  }

  /** `IORING_REGISTER_EVENTFD_ASYNC` (5.6): as {@link ThreadRegistrations.eventfd}, but only for what a worker thread completes. */
  eventfdAsync(fd: number): void {
    this.call("eventfd async", abi.IORING_REGISTER_EVENTFD_ASYNC, Int32Array.of(fd), 1, "EBUSY: the ring has one already");
  }

  /** `IORING_UNREGISTER_EVENTFD` (5.2). */
  unregisterEventfd(): void {
    this.call("unregister eventfd", abi.IORING_UNREGISTER_EVENTFD, 0, 0);
  }

  /** `IORING_REGISTER_IOWQ_MAX_WORKERS` (5.15): limits of this thread's worker pool; 0 leaves one as it is. Answers the old ones. */
  iowqMaxWorkers(bounded: number, unbounded: number): [bounded: number, unbounded: number] {
    checkInteger("iowqMaxWorkers", "bounded", bounded, 0, 0x7fff_ffff);
    checkInteger("iowqMaxWorkers", "unbounded", unbounded, 0, 0x7fff_ffff);
    const limits = Uint32Array.of(bounded, unbounded);
    this.call("iowq max workers", abi.IORING_REGISTER_IOWQ_MAX_WORKERS, limits, 2);
    return [limits[0]!, limits[1]!];
  }

  /** `IORING_REGISTER_IOWQ_AFF` (5.14): the CPUs that this thread's workers run on. */
  iowqAffinity(cpus: readonly number[]): void {
    if (cpus.length === 0) throw new RangeError("iowqAffinity: cpus is empty; unregisterIowqAffinity() allows all");
    for (const cpu of cpus) checkInteger("iowqAffinity", "cpus", cpu, 0, CPUS_MAX - 1);
    const mask = new Uint8Array(new ArrayBuffer(Math.ceil((Math.max(...cpus) + 1) / 64) * 8));
    for (const cpu of cpus) mask[cpu >> 3]! |= 1 << (cpu & 7);
    this.call("iowq affinity", abi.IORING_REGISTER_IOWQ_AFF, mask, mask.length, "EINVAL: none of the CPUs may be used by this process");
  }

  /** `IORING_UNREGISTER_IOWQ_AFF` (5.14): workers run on any CPU again. */
  unregisterIowqAffinity(): void {
    this.call("unregister iowq affinity", abi.IORING_UNREGISTER_IOWQ_AFF, 0, 0);
  }

  /** `IORING_REGISTER_NAPI` (6.9): busy polls network queues while waiting. Answers the settings before. */
  napi(settings: Partial<NapiSettings> = {}): NapiSettings {
    const what = "napi";
    checkKnown(what, settings, ["busyPollUs", "prefer", "tracking"]);
    const { busyPollUs = 0, prefer = false, tracking = "dynamic" } = settings;
    checkInteger(what, "busyPollUs", busyPollUs, 0, 0xffff_ffff);
    checkBoolean(what, "prefer", prefer);
    checkChoice(what, "tracking", tracking, ["dynamic", "static", "inactive"]);
    const arg = io_uring_napi.build({
      busy_poll_to: busyPollUs,
      prefer_busy_poll: prefer ? 1 : 0,
      opcode: abi.IO_URING_NAPI_REGISTER_OP,
      op_param: TRACKING[tracking],
    });
    this.call("napi", abi.IORING_REGISTER_NAPI, arg, 1, "EINVAL: this kernel polls no network queues (CONFIG_NET_RX_BUSY_POLL)");
    return settingsOf(arg);
  }

  /** `IORING_REGISTER_NAPI` with `STATIC_ADD_ID` or `STATIC_DEL_ID` (6.13): one queue by its NAPI id, with tracking "static". */
  napiQueue(id: number, action: "add" | "delete"): void {
    checkInteger("napiQueue", "id", id, 0, 0xffff_ffff);
    checkChoice("napiQueue", "action", action, ["add", "delete"]);
    const opcode = action === "add" ? abi.IO_URING_NAPI_STATIC_ADD_ID : abi.IO_URING_NAPI_STATIC_DEL_ID;
    const arg = io_uring_napi.build({ opcode, op_param: id });
    this.call(
      "napi queue",
      abi.IORING_REGISTER_NAPI,
      arg,
      1,
      "EINVAL: the id is none, or tracking is not static; ENOENT: it was not added",
    );
  }

  /** `IORING_UNREGISTER_NAPI` (6.9): polls no more. Answers the settings before. */
  unregisterNapi(): NapiSettings {
    const arg = io_uring_napi.allocate();
    this.call("unregister napi", abi.IORING_UNREGISTER_NAPI, arg, 1);
    return settingsOf(arg);
  }

  /** `IORING_REGISTER_CLOCK` (6.12): the clock of enter's time limits: what `"boottime"` adds is the time the machine slept. */
  clock(clock: "monotonic" | "boottime"): void {
    checkChoice("clock", "clock", clock, ["monotonic", "boottime"]);
    this.call("clock", abi.IORING_REGISTER_CLOCK, io_uring_clock_register.build({ clockid: CLOCK_IDS[clock] }), 0);
  }
}

function settingsOf(arg: DataView): NapiSettings {
  const param = io_uring_napi.get(arg, "op_param");
  return {
    busyPollUs: io_uring_napi.get(arg, "busy_poll_to"),
    prefer: io_uring_napi.get(arg, "prefer_busy_poll") !== 0,
    tracking: param === TRACKING.dynamic ? "dynamic" : param === TRACKING.static ? "static" : "inactive",
  };
}
