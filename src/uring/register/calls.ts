import { addressOf, errnoOf, type RingSyscalls } from "../../ffi/index.ts";
import * as abi from "../abi.ts";
import { UringError } from "../error.ts";
import type { ResourceTag } from "../mailbox.ts";
import { io_uring_rsrc_update } from "../structs.ts";

/** A number of the register call, before the kernel is asked: answers what it says, whatever that is. */
function register(syscalls: RingSyscalls, fd: number, opcode: number, argument: ArrayBufferView | number, count: number): number {
  const address = typeof argument === "number" ? argument : addressOf(argument);
  for (;;) {
    const result = syscalls.register(fd, opcode, address, count);
    if (result !== errnoOf("EINTR")) return result;
  }
}

function refusal(name: string, errno: number, hint: string | undefined): UringError {
  return new UringError({
    operation: `register ${name}`,
    syscall: "io_uring_register",
    errno,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** A register operation that concerns the calling thread, not a ring (its descriptor is -1). Answers the kernel's result or throws. */
export function registerWithoutRing(
  syscalls: RingSyscalls,
  name: string,
  opcode: number,
  argument: ArrayBufferView,
  count: number,
  hint?: string,
): number {
  const result = register(syscalls, -1, opcode, argument, count);
  if (result < 0) throw refusal(name, result, hint);
  return result;
}

/** What all registrations stand on: the register call for one ring, and its registered descriptor. */
export class RegisterCalls {
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
    const result = this.attempt(opcode, argument, count);
    if (result < 0) throw refusal(name, result, hint);
    return result;
  }

  /** `IORING_REGISTER_RING_FDS` (5.18): the index to enter with, or -1 where the kernel refuses. Per thread. */
  ringFd(): number {
    if (this.#registeredFd) return this.#fd;
    const update = io_uring_rsrc_update.build({ offset: 0xffff_ffff, data: this.#fd });
    if (this.attempt(abi.IORING_REGISTER_RING_FDS, update, 1) !== 1) return -1;
    this.#ringIndex = io_uring_rsrc_update.get(update, "offset");
    return this.#ringIndex;
  }

  /** `IORING_UNREGISTER_RING_FDS` (5.18): gives the registered ring descriptor back; the only one, where the ring has no other. */
  close(): void {
    this.#closed = true;
    const index = this.#registeredFd ? this.#fd : this.#ringIndex;
    if (index < 0) return;
    const update = io_uring_rsrc_update.build({ offset: index });
    this.attempt(abi.IORING_UNREGISTER_RING_FDS, update, 1); // on another thread there is nothing to give back
    this.#ringIndex = -1;
    this.held = undefined;
  }

  /** The ring as another ring's registration names it: its descriptor, and whether that is a registered index. @internal */
  get self(): { readonly fd: number; readonly registered: boolean } {
    return { fd: this.#fd, registered: this.#registeredFd };
  }

  /** Makes the call and answers what the kernel says. */
  protected attempt(opcode: number, argument: ArrayBufferView | number, count: number): number {
    return register(
      this.#syscalls,
      this.#fd,
      this.#registeredFd ? opcode + abi.IORING_REGISTER_USE_REGISTERED_RING : opcode,
      argument,
      count,
    );
  }

  /**
   * Makes a call that names resources with tags: an array of u64 whose address `build` puts into the argument. Answers how many
   * resources the kernel took; only their tags will tell of an end.
   */
  protected tagged(tags: readonly (ResourceTag | undefined)[] | undefined, most: number, run: (tags: number) => number): number {
    if (tags === undefined) return run(0);
    if (tags.length !== most)
      throw new RangeError(`register: there are ${tags.length} tags for ${most} resources; give undefined for none`);
    const words = new BigUint64Array(new ArrayBuffer(tags.length * 8));
    tags.forEach((tag, i) => {
      if (tag !== undefined) words[i] = tag.userData;
    });
    // Before the call: an earlier tag's CQE may come with it.
    const taken = run(addressOf(words));
    tags.forEach((tag, i) => {
      if (i < taken) tag?.attached();
    });
    return taken;
  }
}
