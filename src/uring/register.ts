import { Arena, addressOf, errnoOf, type RingSyscalls } from "../ffi/index.ts";
import * as abi from "./abi.ts";
import { UringError } from "./error.ts";
import { checkInteger } from "./options.ts";
import {
  io_uring_buf,
  io_uring_buf_reg,
  io_uring_buf_status,
  io_uring_probe,
  io_uring_probe_op,
  io_uring_rsrc_register,
  io_uring_rsrc_update,
  io_uring_rsrc_update2,
  iovec,
} from "./structs.ts";

const TABLE_LIMIT = 16384;
const FILE_LIMIT = 1048576;
const PROBED = 256;

/**
 * A ring's registrations: `io_uring_register(2)`, one method per operation.
 *
 * Each throws a UringError that names the operation; none touches JavaScript memory after it has returned, except the buffers
 * that are registered, which must outlive their registration.
 */
export class Registrations {
  readonly #fd: number;
  readonly #syscalls: RingSyscalls;
  readonly #registeredFd: boolean;
  #ringIndex = -1;
  #closed = false; // the descriptor's number may be another file's by now
  /** What an argument points to: reachable for as long as the kernel reads it. */
  protected held: object | undefined;

  constructor(fd: number, syscalls: RingSyscalls, registeredFd: boolean) {
    this.#fd = fd;
    this.#syscalls = syscalls;
    this.#registeredFd = registeredFd;
  }

  /** Any registration by number; answers the kernel's result or throws. */
  call(name: string, opcode: number, argument: ArrayBufferView | number, count: number, hint?: string): number {
    if (this.#closed) throw new TypeError("the ring is closed");
    const result = this.#try(opcode, argument, count);
    if (result < 0)
      throw new UringError({
        operation: `register ${name}`,
        syscall: "io_uring_register",
        errno: result,
        ...(hint === undefined ? {} : { hint }),
      });
    return result;
  }

  /** `IORING_REGISTER_RING_FDS` (5.18): the index to enter with, or -1 where the kernel refuses. Per thread. */
  ringFd(): number {
    if (this.#registeredFd) return this.#fd;
    const update = io_uring_rsrc_update.build({ offset: 0xffff_ffff, data: this.#fd });
    if (this.#try(abi.IORING_REGISTER_RING_FDS, update, 1) !== 1) return -1;
    this.#ringIndex = io_uring_rsrc_update.get(update, "offset");
    return this.#ringIndex;
  }

  /** `IORING_REGISTER_BUFFERS2` with `RSRC_REGISTER_SPARSE` (5.19): an empty fixed-buffer table of `count` slots (1 to 16384). */
  sparseBuffers(count: number): void {
    checkInteger("register", "buffers", count, 1, TABLE_LIMIT);
    const arg = io_uring_rsrc_register.build({ nr: count, flags: abi.IORING_RSRC_REGISTER_SPARSE });
    this.call("buffers", abi.IORING_REGISTER_BUFFERS2, arg, io_uring_rsrc_register.size, "EBUSY: the ring has a buffer table already");
  }

  /** `IORING_REGISTER_BUFFERS_UPDATE` (5.13): puts memory into table slots. The memory must outlive its slot. */
  updateBuffers(first: number, memory: readonly { address: number; length: number }[]): void {
    const vectors = (this.held = iovec.allocate(memory.length));
    memory.forEach(({ address, length }, i) => {
      iovec.set(vectors, "iov_base", address, i * iovec.size);
      iovec.set(vectors, "iov_len", length, i * iovec.size);
    });
    const arg = io_uring_rsrc_update2.build({ offset: first, data: addressOf(vectors), nr: memory.length });
    this.call("buffers update", abi.IORING_REGISTER_BUFFERS_UPDATE, arg, io_uring_rsrc_update2.size);
  }

  /** `IORING_UNREGISTER_BUFFERS` (5.1): drops the whole table, kernel buffers in it too. */
  unregisterBuffers(): void {
    this.call("unregister buffers", abi.IORING_UNREGISTER_BUFFERS, 0, 0);
  }

  /** `IORING_REGISTER_FILES2` with `RSRC_REGISTER_SPARSE` (5.19): an empty file table of `count` slots. */
  sparseFiles(count: number): void {
    checkInteger("register", "files", count, 1, FILE_LIMIT);
    const arg = io_uring_rsrc_register.build({ nr: count, flags: abi.IORING_RSRC_REGISTER_SPARSE });
    this.call(
      "files",
      abi.IORING_REGISTER_FILES2,
      arg,
      io_uring_rsrc_register.size,
      "EMFILE: raise `ulimit -n`; EBUSY: there is a table already",
    );
  }

  /** `IORING_REGISTER_FILES_UPDATE2` (5.13): puts descriptors into table slots; -1 empties one. */
  updateFiles(first: number, fds: readonly number[]): void {
    const list = (this.held = Int32Array.from(fds));
    const arg = io_uring_rsrc_update2.build({ offset: first, data: addressOf(list), nr: list.length });
    this.call("files update", abi.IORING_REGISTER_FILES_UPDATE2, arg, io_uring_rsrc_update2.size);
  }

  /** `IORING_UNREGISTER_FILES` (5.1): drops the file table. */
  unregisterFiles(): void {
    this.call("unregister files", abi.IORING_UNREGISTER_FILES, 0, 0);
  }

  /** `IORING_REGISTER_EVENTFD` (5.2): the eventfd is signalled with every CQE, or when there is work for a deferred ring. */
  eventfd(fd: number): void {
    this.call("eventfd", abi.IORING_REGISTER_EVENTFD, Int32Array.of(fd), 1);
  }

  /** `IORING_UNREGISTER_EVENTFD` (5.2). */
  unregisterEventfd(): void {
    this.call("unregister eventfd", abi.IORING_UNREGISTER_EVENTFD, 0, 0);
  }

  /** `IORING_REGISTER_ENABLE_RINGS` (5.10): starts a ring made with `disabled`; the calling thread becomes its issuer. */
  enable(): void {
    this.call("enable", abi.IORING_REGISTER_ENABLE_RINGS, 0, 0);
  }

  /** `IORING_REGISTER_IOWQ_MAX_WORKERS` (5.15): limits of this thread's worker pool; 0 leaves one as it is. Answers the old ones. */
  iowqMaxWorkers(bounded: number, unbounded: number): [bounded: number, unbounded: number] {
    const limits = Uint32Array.of(bounded, unbounded);
    this.call("iowq max workers", abi.IORING_REGISTER_IOWQ_MAX_WORKERS, limits, 2);
    return [limits[0]!, limits[1]!];
  }

  /**
   * `IORING_REGISTER_PBUF_RING` (5.19): a ring of provided buffers in memory of the caller, or without one, and with
   * `IOU_PBUF_RING_MMAP` (6.4), of the kernel.
   */
  bufferRing(group: number, memory: Arena | undefined, entries: number, flags = 0, minLeft = 0): void {
    const arg = io_uring_buf_reg.build({ ring_addr: memory?.address ?? 0, ring_entries: entries, bgid: group, flags, min_left: minLeft });
    const hint =
      minLeft > 0
        ? "EINVAL: minLeft needs Linux 7.1 or a late 6.18"
        : flags === 0
          ? "EEXIST: the group number is taken"
          : "EINVAL: incremental needs Linux 6.12, kernelMemory 6.4; EEXIST: the group number is taken";
    this.call("buffer ring", abi.IORING_REGISTER_PBUF_RING, arg, 1, hint);
  }

  /** Maps the entries of a buffer ring that the kernel allocated. */
  mapBufferRing(group: number, entries: number): Arena {
    if (this.#registeredFd) throw new TypeError("a ring with only a registered descriptor cannot map kernelMemory");
    return Arena.map(this.#fd, abi.IORING_OFF_PBUF_RING + group * 2 ** abi.IORING_OFF_PBUF_SHIFT, entries * io_uring_buf.size);
  }

  /** `IORING_UNREGISTER_PBUF_RING` (5.19). */
  unregisterBufferRing(group: number): void {
    this.call("unregister buffer ring", abi.IORING_UNREGISTER_PBUF_RING, io_uring_buf_reg.build({ bgid: group }), 1);
  }

  /** `IORING_REGISTER_PBUF_STATUS` (6.8): how many buffers of a group the kernel has used up, modulo 65536. */
  bufferRingHead(group: number): number {
    const status = io_uring_buf_status.build({ buf_group: group });
    this.call("buffer ring status", abi.IORING_REGISTER_PBUF_STATUS, status, 1, "EINVAL: it needs Linux 6.8");
    return io_uring_buf_status.get(status, "head");
  }

  /** Which opcodes the kernel knows (`IORING_REGISTER_PROBE`, 5.6). */
  probe(): ReadonlySet<number> {
    const known = new Set<number>();
    const probe = new DataView(new ArrayBuffer(io_uring_probe.size + PROBED * io_uring_probe_op.size));
    if (this.#try(abi.IORING_REGISTER_PROBE, probe, PROBED) < 0) return known;
    const count = io_uring_probe.get(probe, "ops_len");
    for (let i = 0; i < count; i++) {
      const at = io_uring_probe.size + i * io_uring_probe_op.size;
      if (io_uring_probe_op.get(probe, "flags", at) & abi.IO_URING_OP_SUPPORTED) known.add(io_uring_probe_op.get(probe, "op", at));
    }
    return known;
  }

  /** Gives the registered ring descriptor back: the only one, where the ring has no other. */
  close(): void {
    this.#closed = true;
    const index = this.#registeredFd ? this.#fd : this.#ringIndex;
    if (index < 0) return;
    const update = io_uring_rsrc_update.build({ offset: index });
    this.#try(abi.IORING_UNREGISTER_RING_FDS, update, 1); // on another thread there is nothing to give back
    this.#ringIndex = -1;
    this.held = undefined;
  }

  #try(opcode: number, argument: ArrayBufferView | number, count: number): number {
    const address = typeof argument === "number" ? argument : addressOf(argument);
    const op = this.#registeredFd ? opcode + abi.IORING_REGISTER_USE_REGISTERED_RING : opcode;
    for (;;) {
      const result = this.#syscalls.register(this.#fd, op, address, count);
      if (result !== errnoOf("EINTR")) return result;
    }
  }
}
