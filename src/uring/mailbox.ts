import type { CompletionQueue } from "./completion.ts";

/** Where a message goes: plain data that may be posted to another thread of this process. */
export interface MailAddress {
  /** The receiving ring's descriptor. */
  readonly fd: number;
  /** The lower word of the user_data that its CQE will have. */
  readonly slot: number;
  /** The upper word. */
  readonly generation: number;
}

/** What arrived: the CQE of a message. */
export interface Message {
  /** The number that was sent; for a file, the slot it was put into where the kernel chose it. */
  readonly result: number;
  /** CQE flags, as sent. */
  readonly flags: number;
}

/**
 * A place in a ring's completion queue for CQEs that no operation of the ring causes: it has a user_data of its own, and a handler
 * that runs for each of them until it is closed. The ring counts it as in flight: something is waited for.
 */
export class RawMailbox implements Disposable {
  /** The lower word of its user_data. */
  readonly slot: number;
  /** The upper word. */
  readonly generation: number;
  readonly #raw: CompletionQueue;
  readonly #counted: boolean;
  #open = true;

  /** @internal */
  constructor(raw: CompletionQueue, handler: (result: number, flags: number) => void, counted = true) {
    this.#raw = raw;
    this.#counted = counted;
    this.slot = raw.openMailbox(handler, counted);
    this.generation = raw.generation(this.slot);
  }

  /** Its user_data in one number. */
  get userData(): bigint {
    return (BigInt(this.generation >>> 0) << 32n) | BigInt(this.slot >>> 0);
  }

  /** Where messages for it go. */
  get address(): MailAddress {
    return { fd: this.#raw.record.fd, slot: this.slot, generation: this.generation };
  }

  /** Whether the ring is closed. */
  protected get gone(): boolean {
    return this.#raw.closed;
  }

  /** Gives the slot back. A CQE that comes later fails the ring: nobody may send to it any more. Twice is fine. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (!this.#raw.closed) this.#raw.closeMailbox(this.slot, this.#counted);
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * The tag of registered buffers or files (`RSRC_TAGS`, 5.13): its handler runs when the kernel lets go of one that carries it, which
 * is when it was taken out of its table and the last operation that used it has ended. One tag may be on many resources.
 *
 * A ring does not count it as in flight: after taking something out, {@link Ring.kick} fetches the news.
 */
export class ResourceTag extends RawMailbox {
  #resources: { count: number };

  /** @internal */
  constructor(raw: CompletionQueue, freed: () => void) {
    const resources = { count: 0 };
    super(
      raw,
      () => {
        resources.count--;
        freed();
      },
      false,
    );
    this.#resources = resources;
  }

  /** How many resources that carry it the kernel holds. */
  get resources(): number {
    return this.#resources.count;
  }

  /** A resource that carries it was registered. @internal */
  attached(): void {
    this.#resources.count++;
  }

  /** Gives the slot back; not before the kernel has let go of every resource, or the ring is closed. */
  override close(): void {
    if (this.#resources.count > 0 && !this.gone)
      throw new TypeError(`the tag is on ${this.#resources.count} registered resources; take them out and reap first`);
    super.close();
  }
}

/**
 * A mailbox as an async iterable of the messages that other rings and threads send to it ({@link Ring.mailbox}). While it is open it
 * keeps the process alive. A message that comes after the end is dropped: the mailbox's slot is not used again.
 */
export class Mailbox implements AsyncIterable<Message>, Disposable {
  readonly #raw: CompletionQueue;
  readonly #box: RawMailbox;
  readonly #messages: Message[] = [];
  readonly #settling: () => void;
  readonly #closed: () => void;
  #wake: (() => void) | undefined;
  #open = true;

  /** @internal */
  constructor(raw: CompletionQueue, settling: () => void, closed: () => void) {
    this.#raw = raw;
    this.#settling = settling;
    this.#closed = closed;
    this.#box = new RawMailbox(raw, (result, flags) => {
      if (!this.#open) return;
      this.#messages.push({ result, flags });
      this.#stir();
    });
  }

  /** Where messages for it go: post it to another thread, or give it to `msgRing`. */
  get address(): MailAddress {
    return this.#box.address;
  }

  /** The messages, in the order of their arrival; ends when the mailbox is closed. Those that wait are given out first. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, void> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) yield message;
      else if (!this.#open) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  /** Ends it. Twice is fine. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (!this.#raw.closed) this.#raw.retireMailbox();
    this.#closed();
    this.#stir();
  }

  /** Ends it. */
  [Symbol.dispose](): void {
    this.close();
  }

  #stir(): void {
    this.#settling();
    this.#wake?.();
    this.#wake = undefined;
  }
}
