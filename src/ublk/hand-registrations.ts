import { type Driver, abi as io } from "../uring/index.ts";
import type { BufferCommands } from "./buffer-commands.ts";
import { UblkError } from "./error.ts";
import type { QueueSpec } from "./queue-spec.ts";
import { DESCRIPTOR_WORDS } from "./request.ts";
import type { TagBuffers } from "./tag-buffers.ts";

const EFAULT = -14;

// Of requests that are served before their pages are registered:
const UNUSED = 0; // nothing has used them yet
const UNSURE = 1; // REGISTER_IO_BUF is on its way
const SURE = 2; // it got through
const FAILED = 3; // it did not
const STAGED = 4; // they are served a second time, after it

/** What {@link HandRegistrations} consult. */
export interface HandRegistrationParts {
  readonly driver: Driver;
  readonly spec: QueueSpec;
  /** Where the mode lends pages. */
  readonly commands: BufferCommands | undefined;
  readonly buffers: TagBuffers;
  /** Pages could not be given back. */
  readonly failed: (error: UblkError) => void;
}

/**
 * Registers the pages of requests in the ring's buffer table: of all in mode zero-copy; of those whose AUTO_BUF_REG failed (the slot was
 * taken, memory was short) otherwise. Every tag has slots of its own for it: there is always room.
 */
export class HandRegistrations {
  /** A tag's pages are registered, or could not be: its request may be served. */
  registered: (tag: number, error: UblkError | undefined) => void = () => {};
  /** A request that could not end before its registration was decided ends now, with this result. */
  decided: (tag: number, result: number) => void = () => {};
  /** Requests are served at once, and their pages registered in front of the first operation on them. */
  readonly early: boolean;
  /** Tags whose request was served so, and used its pages. */
  earlyCount = 0;
  readonly #parts: HandRegistrationParts;
  readonly #link: number; // between REGISTER_IO_BUF and the operation that it precedes
  readonly #stages: Uint8Array; // by tag
  readonly #results = new Map<number, number>(); // of requests that wait for their end

  constructor(parts: HandRegistrationParts) {
    const { commands, failed, spec } = parts;
    const { depth, mode, registration } = spec;
    this.#parts = parts;
    this.early = mode === "zero-copy" && registration !== "staged";
    // Soft: what would follow a registration that failed could meet whatever else is in the slot.
    this.#link = registration === "linked" ? io.IOSQE_IO_LINK : 0;
    this.#stages = new Uint8Array(depth);
    if (commands === undefined) return;
    commands.events = {
      registered: (tag, result) => this.onRegistered(tag, result),
      notReleased: (tag, errno) => failed(this.#error("UNREGISTER_IO_BUF", tag, errno)),
    };
  }

  /** Registers a tag's pages; {@link HandRegistrations.registered} hears of it. */
  register(tag: number): void {
    this.#parts.commands!.register(tag);
  }

  /** What is called before an operation of a request is queued, where its pages are not registered by then. */
  beforeUse(iod: Int32Array, isRare: () => void): ((tag: number) => void) | undefined {
    if (!this.early) return undefined;
    return (tag) => {
      if (!this.#parts.buffers.mustRegister(iod[tag * DESCRIPTOR_WORDS]!)) return; // a FLUSH has no data
      isRare();
      this.use(tag);
    };
  }

  /** An operation on a tag's pages is queued next. */
  use(tag: number): void {
    if (this.#stages[tag] !== UNUSED) return;
    const { buffers, commands } = this.#parts;
    commands!.register(tag, this.#link);
    this.#stages[tag] = UNSURE;
    this.earlyCount++;
    buffers.byHand[tag] = 1;
  }

  /**
   * A request is about to end with this result. Answers true where it does not yet: its registration is not decided, or it is served again
   * because its operations met no pages.
   */
  keeps(tag: number, result: number): boolean {
    const stage = this.#stages[tag]!;
    if (stage === UNUSED || stage === STAGED || (stage === SURE && result !== EFAULT)) return false;
    if (stage === UNSURE) this.#results.set(tag, result);
    else this.#again(tag, stage);
    return true;
  }

  /** A tag's request is committed: nothing is known of its registration any more. */
  forget(tag: number): void {
    if (this.#stages[tag] === UNUSED) return;
    this.#stages[tag] = UNUSED;
    this.earlyCount--;
  }

  /** Gives a tag's pages back. Queued in front of the commit: it is over when both are through. */
  release(tag: number): void {
    const { buffers, commands } = this.#parts;
    commands!.unregister(tag);
    buffers.byHand[tag] = 0;
  }

  #again(tag: number, stage: number): void {
    const { driver } = this.#parts;
    this.#stages[tag] = STAGED;
    if (stage === FAILED) {
      this.register(tag);
      driver.kick();
    } else {
      // In a turn of its own: who ends the request does not expect the next one within.
      queueMicrotask(() => this.registered(tag, undefined));
      driver.microtasksDue = true;
    }
  }

  private onRegistered(tag: number, result: number): void {
    this.#parts.buffers.byHand[tag] = result < 0 ? 0 : 1;
    if (this.#stages[tag] === UNSURE) this.#decide(tag, result);
    else this.registered(tag, result < 0 ? this.#error("REGISTER_IO_BUF", tag, result) : undefined);
  }

  #decide(tag: number, result: number): void {
    this.#stages[tag] = result < 0 ? FAILED : SURE;
    const end = this.#results.get(tag);
    if (end === undefined) return;
    this.#results.delete(tag);
    this.decided(tag, end);
  }

  #error(command: string, tag: number, errno: number): UblkError {
    const { device, queue } = this.#parts.spec;
    return new UblkError({ command, device, errno, subject: `queue ${queue} tag ${tag}` });
  }
}
