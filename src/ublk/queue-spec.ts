import type { CommandEncoding } from "./control.ts";
import type { DataMode } from "./data-mode.ts";
import type { CheckedIntegrity } from "./integrity.ts";
import type { Registration } from "./registration.ts";
import type { UblkRequest } from "./request.ts";

/** What serves the requests of a queue. */
export interface RequestHandler {
  /** Whose `handle` takes a request: the target's own object, called without anything in between. */
  readonly target: {
    /** Takes a request. It completes, fails or defers it, starts operations of its own for it, or answers with what will end it. */
    handle(request: UblkRequest): unknown;
  };
  /** What `handle` returned, if it is not undefined: it ends the request, when it is something that can. */
  answered(request: UblkRequest, answer: unknown): void;
  /** One of the request's own operations completed. */
  completed?(request: UblkRequest, result: number, member: number): void;
}

/** Where and how a queue is served. */
export interface QueueSpec {
  /** The device's id. */
  readonly device: number;
  /** The open char device. */
  readonly charFd: number;
  /** The queue's number. */
  readonly queue: number;
  /** Tags. */
  readonly depth: number;
  /** How many threads share the tags. */
  readonly threads: number;
  /** Which of them this is, from 0. It serves the tags t with `t % threads === thread`. */
  readonly thread: number;
  /** The largest request. */
  readonly maxIoBytes: number;
  /** The logical block. */
  readonly blockSize: number;
  /** Bytes in a zone of a zoned disk (`UBLK_F_ZONED`); 0 where there are none. */
  readonly zoneSize: number;
  /** The metadata beside the data (`UBLK_F_INTEGRITY`), where there is some. */
  readonly integrity: CheckedIntegrity | undefined;
  /** How data moves. */
  readonly mode: DataMode;
  /** When pages are registered by hand, in mode zero-copy. */
  readonly registration: Registration;
  /** Requests are fetched and committed in batches (`UBLK_F_BATCH_IO`). */
  readonly batch: boolean;
  /** The driver lets this process copy data by pread and pwrite (`UBLK_F_USER_COPY`). */
  readonly userCopy: boolean;
  /** How driver commands are numbered. */
  readonly encoding: CommandEncoding;
  /** Operations of its own that a request may have in flight. */
  readonly members: number;
  /** The calling thread exists to serve this queue. */
  readonly serving: boolean;
  /** Nothing in the target ever awaits. */
  readonly synchronous: boolean;
  /** One request at a time. */
  readonly serialize: boolean;
  /** The table of what the disk shares with its clients, where it does (`UBLK_F_SHMEM_ZC`). */
  readonly sharedMemory: SharedArrayBuffer | undefined;
  /** The memory of the tags stays in RAM. */
  readonly lockMemory: boolean;
}

/** What a queue reports to the thread that owns it. */
export interface QueueEvents {
  /** A request failed by a throw or a broken rule of the handler. */
  requestError(error: unknown, op: number, offset: number, length: number): void;
  /** Every tag is gone: the device stopped, or is being torn down. The queue may be closed. */
  drained(): void;
  /** The device must stop, and can: this queue still serves. */
  failed(error: Error): void;
  /** The ring is dead: nobody answers for the tags any more. */
  broken(error: Error): void;
}

/** Descriptors and mappings of a queue. */
export interface QueueResources {
  /** File descriptors to close. */
  readonly fds: readonly number[];
  /** Memory to unmap. */
  readonly mappings: readonly { readonly address: number; readonly length: number }[];
}
