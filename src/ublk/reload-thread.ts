import { byTheLoop } from "./by-the-loop.ts";
import { exchangeHandler } from "./exchange.ts";
import { importAnew } from "./import-anew.ts";
import { checkAttachment } from "./inline.ts";
import { type Capabilities, capabilitiesOf, handlerOf } from "./methods.ts";
import type { UblkQueue } from "./queue.ts";
import type { RequestHandler } from "./queue-spec.ts";
import type { Attachment } from "./target.ts";

/**
 * What a serving thread is attached to, and how that is exchanged for the module's new code: first every thread of a device loads and
 * attaches it, and only when all could, all exchange.
 */
export class Attached {
  readonly #queue: UblkQueue;
  readonly #module: string;
  readonly #shared: unknown;
  #current: Attachment;
  #handler: RequestHandler;
  #next: Attachment | undefined;

  constructor(queue: UblkQueue, module: string, shared: unknown, attachment: Attachment) {
    this.#queue = queue;
    this.#module = module;
    this.#shared = shared;
    this.#current = attachment;
    this.#handler = handlerOf(attachment);
  }

  /** What takes the queue's requests. */
  get handler(): RequestHandler {
    return this.#handler;
  }

  /** What it can do. */
  get capabilities(): Capabilities {
    return capabilitiesOf(this.#current);
  }

  /** Loads the module anew and attaches it, beside what serves. Imports and promises need an event loop: the thread goes by it meanwhile. */
  async prepare(): Promise<Capabilities> {
    return await byTheLoop(this.#queue, async () => {
      const target = await importAnew(this.#module);
      this.#next = checkAttachment(await target.attach(this.#queue, this.#shared), this.#module);
      return capabilitiesOf(this.#next);
    });
  }

  /** What was prepared takes the requests from now on, unless the old code does not finish its own within the limit. */
  async exchange(limitMs: number): Promise<boolean> {
    const next = this.#next!;
    const handler = handlerOf(next);
    if (!(await byTheLoop(this.#queue, () => exchangeHandler(this.#queue, this.#handler, handler, limitMs)))) {
      this.discard();
      return false;
    }
    const old = this.#current;
    this.#next = undefined;
    this.#current = next;
    this.#handler = handler;
    old.detach?.();
    return true;
  }

  /** What was prepared is not used. */
  discard(): void {
    const next = this.#next;
    this.#next = undefined;
    next?.detach?.();
  }

  /** The device is gone. */
  detach(): void {
    this.discard();
    this.#current.detach?.();
  }
}
