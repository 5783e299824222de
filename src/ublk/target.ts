import type { Part } from "../uring/index.ts";
import type { IntegrityGeometry } from "./integrity.ts";
import type { UblkQueue } from "./queue.ts";
import type { RequestContext, UblkRequest } from "./request.ts";
import type { SegmentLimits } from "./segments.ts";
import type { ZoneMethods } from "./zone-methods.ts";
import type { ZonedGeometry } from "./zoned.ts";

/** A size: bytes, or text such as `"512 MiB"`, `"1 GiB"`, `"4k"` (binary units). */
export type Size = number | string;

/** What {@link Geometry.resize} may answer: what is to be done once the disk has its new size. */
export type Resized = void | (() => void | Promise<void>);

/** What a disk is, whatever serves it. */
export interface Geometry {
  /** Capacity; a multiple of the block size. */
  size: Size;
  /** Logical block in bytes: 512, 1024, 2048 or 4096. Default 512. */
  blockSize?: Size;
  /** Physical block; default 4096. */
  physicalBlockSize?: Size;
  /** Smallest good request; default the logical block. */
  ioMin?: Size;
  /** Best request; default the physical block. */
  ioOpt?: Size;
  /** Clients may only read. */
  readOnly?: boolean;
  /** Clients schedule as for a spinning disk. */
  rotational?: boolean;
  /** `write` honours `fua`: the flag is advertised. Needs `flush`. */
  fua?: boolean;
  /** Bytes that DISCARD and WRITE_ZEROES handle as a unit; default the block size. */
  discardGranularity?: Size;
  /** Longest DISCARD; default 1 GiB. */
  maxDiscard?: Size;
  /** Longest WRITE_ZEROES; default 1 GiB. */
  maxWriteZeroes?: Size;
  /** The target moves data by operations of the queue's ring and never looks at it: the kernel may lend its pages. */
  zeroCopy?: boolean;
  /** Operations that one request may have in flight on the queue's ring; default 1 for ring-level targets. */
  members?: number;
  /** Memory alignment that the target's files need, in bytes (512 for most O_DIRECT files). */
  dmaAlignment?: number;
  /** Limits of the memory segments of a request: for zero-copy targets whose files or devices have such. Linux 6.16. */
  segments?: SegmentLimits;
  /** There is metadata beside the data, such as protection information; `docs/integrity.md` tells more. */
  integrity?: IntegrityGeometry;
  /** Nothing in the target ever awaits: a serving thread takes no turns of its event loop. */
  synchronous?: boolean;
  /**
   * Asked before the disk gets another size ({@link UblkDevice.resize}), on the thread that called `serve`: makes room for a larger one, or throws
   * to refuse. What it returns is called once the disk has its new size: there, what lies behind a smaller one can be given up. Without it a disk
   * keeps its size.
   */
  resize?(size: number, from: number): Resized | Promise<Resized>;
}

/**
 * What a zoned disk is (`UBLK_F_ZONED`, Linux 6.6): every zone is written from its start to its end, and emptied as a whole. Its target has
 * {@link ZoneMethods}, or takes their requests (`ops: { zones: true }`), and neither discard nor writeZeroes. `docs/zoned.md` tells more.
 */
export interface ZonedDisk extends Omit<Geometry, "resize"> {
  /** Its zones. */
  zoned: ZonedGeometry;
  /** Zones stay as they are. */
  resize?: undefined;
}

/** What a method may answer: nothing (done), or a promise of it. */
export type MethodResult = void | Promise<void>;

/**
 * A target as methods: the easy level. Each may be synchronous or async; only those that exist are advertised to the kernel. A throw
 * or a rejection fails its own request with the error's errno (EIO by default), and nothing else.
 */
export interface Methods {
  /** Fills `buffer` with the bytes at `offset`. The buffer is valid until the method is done. */
  read?(buffer: Uint8Array<ArrayBuffer>, offset: number, context: RequestContext): MethodResult;
  /** Stores `buffer` at `offset`. Without it the disk is read-only. The buffer is valid until the method is done. */
  write?(buffer: Uint8Array<ArrayBuffer>, offset: number, context: RequestContext): MethodResult;
  /** Makes every write that has completed durable. Having it means there is a volatile cache. */
  flush?(context: RequestContext): MethodResult;
  /** The range holds nothing any more. */
  discard?(offset: number, length: number, context: RequestContext): MethodResult;
  /** The range reads as zeros from now on; `context.noUnmap` asks to keep it allocated. */
  writeZeroes?(offset: number, length: number, context: RequestContext): MethodResult;
}

/** Methods of a disk that is not zoned: none of those that only a zoned one has. */
export type PlainMethods = Methods & { readonly [Name in keyof ZoneMethods]?: undefined };

/** Methods of a zoned disk: all of {@link ZoneMethods}. What a zone holds is given up by resetting it, not by discards. */
export interface ZonedMethods extends Omit<Methods, "discard" | "writeZeroes">, ZoneMethods {
  /** Not of a zoned disk. */
  discard?: undefined;
  /** Not of a zoned disk. */
  writeZeroes?: undefined;
}

/** What {@link RequestTarget.handle} may answer: nothing when it completed or deferred the request, or what completes it. */
export type HandleResult = void | Promise<number | void> | Part<unknown, unknown>;

/** A target that sees requests: the two lower levels. */
export interface RequestTarget {
  /**
   * Takes every request. It completes, fails or defers it; or starts operations with the request's members; or returns an operation,
   * a plan or a promise, which completes the request: with as many bytes as its value says, a number or an object with `bytes`; with all of
   * them when the value is anything else. What fails in it fails the request.
   */
  handle(request: UblkRequest): HandleResult;
  /** An operation that was started with a member of the request completed. */
  completed?(request: UblkRequest, result: number, member: number): void;
  /** Ops the target takes besides READ and WRITE. `zones`: REPORT_ZONES and ZONE_APPEND to ZONE_RESET_ALL, of a zoned disk. */
  readonly ops?: { readonly flush?: boolean; readonly discard?: boolean; readonly writeZeroes?: boolean; readonly zones?: boolean };
  /** The serving thread is about to end. */
  detach?(): void;
}

/** What {@link TargetDefinition.attach} gives: either level. */
export type Attachment =
  | ((PlainMethods | ZonedMethods) & {
      handle?: undefined;
      /** The serving thread is about to end. */
      detach?(): void;
    })
  | RequestTarget;

/** What {@link TargetDefinition.open} gives: the disk's geometry, and what every serving thread is handed. */
export interface Opened<Shared> extends Geometry {
  /** The disk is zoned, as {@link ZonedDisk} says. */
  zoned?: ZonedGeometry | undefined;
  /** Cloneable: descriptors, SharedArrayBuffers, plain data. */
  shared?: Shared;
}

/** A target in three parts: the same for closures, for Workers and for the command line. */
export interface TargetDefinition<Options = unknown, Shared = unknown> {
  /** Once, on the thread that calls `serve`. */
  open(options: Options): Opened<Shared> | Promise<Opened<Shared>>;
  /** Once per serving thread. */
  attach(queue: UblkQueue, shared: Shared): Attachment | Promise<Attachment>;
  /** Once, after the device is gone, on the thread that called `serve`. */
  close?(shared: Shared): void | Promise<void>;
}

/** A target as one object: geometry and methods together, for the calling thread. */
export type InlineTarget =
  | (Geometry & { zoned?: undefined } & (PlainMethods | (RequestTarget & { readonly ops?: { readonly zones?: false } })))
  | (ZonedDisk &
      (
        | ZonedMethods
        | (RequestTarget & { readonly ops: { readonly zones: true; readonly discard?: false; readonly writeZeroes?: false } })
      ));

const DEFINED = Symbol.for("uring-ublk.target");

/**
 * Declares a target; the types of its parts follow from each other. Export it as default to serve it in Workers.
 *
 * @example
 * ```ts
 * import { defineTarget } from "uring-ublk";
 * export default defineTarget({
 *   open: (options: { megabytes: number }) => ({ size: options.megabytes * 2 ** 20, shared: { fill: 7 } }),
 *   attach: (_queue, shared) => ({ read: (buffer) => { buffer.fill(shared.fill); } }),
 * });
 * ```
 */
export function defineTarget<Options, Shared>(definition: TargetDefinition<Options, Shared>): TargetDefinition<Options, Shared> {
  for (const part of ["open", "attach"] as const) {
    if (typeof definition?.[part] !== "function")
      throw new TypeError(
        `defineTarget: ${part} is missing; a target has open(options), attach(queue, shared) and, if it likes, close(shared)`,
      );
  }
  return Object.freeze(Object.assign({}, definition, { [DEFINED]: true }));
}

/** Whether a value is a target in parts. */
export function isDefinition(value: unknown): value is TargetDefinition {
  const parts = value as Partial<TargetDefinition> | null | undefined;
  return typeof parts === "object" && parts !== null && typeof parts.open === "function" && typeof parts.attach === "function";
}
