import { IORING_CQE_F_BUFFER } from "./abi.ts";
import { BufferGroup, type Chunk } from "./buffer-group.ts";
import type { RingCore } from "./core.ts";
import { UringError } from "./error.ts";
import type { Listener } from "./flight-host.ts";
import type { InFlight } from "./in-flight.ts";
import { Lowering } from "./lowering.ts";
import { type MultishotOperation, type Operation, withOptions } from "./operation.ts";

/** How the ring starts an operation for a listener; undefined when it refused, and has told the listener so. */
export type Start<Item> = (operation: Operation<Item>, listener: Listener<Item>) => InFlight | undefined;

/** One completion, on its way to the consumer. */
interface Shot<Item> {
  readonly value: Item;
  readonly result: number;
  readonly flags: number;
}

interface Waiter<Item> {
  resolve(step: IteratorResult<Item, undefined>): void;
  reject(error: unknown): void;
}

const DONE = { value: undefined, done: true } as const;

/**
 * A multishot operation as an async iterable. What an item lends is taken back at the next step; leaving the iteration cancels the
 * operation, waits for its last CQE, and undoes what nobody got.
 *
 * The kernel may end a multishot operation that has more to come, because the CQ was full or the group had no buffer left: it is
 * started again when the consumer has taken everything and there is a buffer. Until then data waits in the socket, and nothing is
 * lost. The same happens to an operation that gets too far ahead of its consumer.
 */
export class Shots<Item> implements AsyncIterableIterator<Item, undefined>, Listener<Item>, AsyncDisposable {
  readonly #start: Start<Item>;
  readonly #signal: AbortSignal | undefined;
  readonly #ring: RingCore;
  readonly #group: BufferGroup | undefined;
  readonly #queue: Shot<Item>[] = [];
  readonly #lent: Shot<Item>[] = [];
  readonly #waiting: Waiter<Item>[] = [];
  readonly #leaving: (() => void)[] = [];
  #operation: Operation<Item>;
  #flight: InFlight | undefined;
  #flying = false; // the kernel has the operation, or it waits for room in the ring
  #paused = false; // it was too far ahead and is being stopped
  #dry = false; // it ended for want of a buffer
  #last = false; // it has come to its end
  #over = false; // the consumer has left, or was told of the end
  #failure: { error: unknown } | undefined;
  #stopWaiting: (() => void) | undefined; // for a buffer
  #result = 0;
  #flags = 0;
  #total = 0;
  #wanted: number; // items that the iteration may still have

  constructor(operation: MultishotOperation<Item>, start: Start<Item>, signal: AbortSignal | undefined, ring: RingCore) {
    this.#operation = operation;
    this.#start = start;
    this.#signal = signal;
    this.#ring = ring;
    const { group } = operation.options as { group?: unknown };
    this.#group = group instanceof BufferGroup ? group : undefined;
    this.#wanted = operation.declaration.shots?.limit?.(operation.options as never) || Number.POSITIVE_INFINITY;
  }

  /** The next item. It takes back what the ones before lent. */
  next(): Promise<IteratorResult<Item, undefined>> {
    this.#takeBack();
    if (this.#over) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#serve();
    });
  }

  /** Leaves: a step that waits for an item ends at once, and this one when the kernel has let go. */
  async return(): Promise<IteratorResult<Item, undefined>> {
    this.#end();
    if (this.#flying) {
      this.#flight?.cancel(new Error("the iteration ended"));
      if (this.#flying) await new Promise<void>((resolve) => this.#leaving.push(resolve));
    }
    return DONE;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** @internal */
  completion(result: number, flags: number, final: boolean): void {
    this.#result = result;
    this.#flags = flags;
    if (result > 0) this.#total += result;
    if (final) this.#flying = false;
  }

  /** @internal */
  fulfil(value: Item): void {
    const shot = { value, result: this.#result, flags: this.#flags };
    const end = this.#ends(value);
    if (end || this.#over || this.#wanted === 0) this.#drop(shot);
    else {
      this.#wanted--;
      this.#queue.push(shot);
    }
    if (!this.#flying) this.#landed(end);
    this.#serve();
    const { ahead = Number.POSITIVE_INFINITY } = this.#operation.declaration.shots ?? {};
    if (!this.#flying || this.#paused || (this.#queue.length < ahead && this.#wanted > 0)) return;
    this.#paused = true;
    this.#flight?.interrupt();
  }

  /** @internal */
  reject(error: unknown, running = false): void {
    const aborted = this.#flight?.aborted === true;
    const code = !aborted && error instanceof UringError ? error.code : undefined;
    if (running) {
      this.#failure ??= { error };
      this.#flight?.cancel(error);
      return; // told when the operation has ended
    }
    this.#flying = false;
    if (this.#group !== undefined && code === "ENOBUFS") {
      this.#dry = true;
      this.#landed(false);
    } else if (this.#paused && code === "ECANCELED") this.#landed(false);
    else {
      this.#failure ??= { error };
      // Nobody may come to fetch what needs to be closed.
      if (aborted && this.#operation.declaration.shots?.release === undefined && this.#group === undefined) this.#dropAll();
    }
    this.#serve();
  }

  // Hands items to the steps that wait for them; tells the end when there are none, or sees to it that there will be.
  #serve(): void {
    while (this.#waiting.length > 0) {
      const shot = this.#queue.shift();
      if (shot !== undefined) {
        this.#lent.push(shot);
        this.#waiting.shift()!.resolve({ value: shot.value, done: false });
      } else if (this.#flying || this.#stopWaiting !== undefined) return;
      else if (this.#failure !== undefined) {
        const { error } = this.#failure;
        this.#waiting.shift()!.reject(error);
        this.#end();
      } else if (this.#last) this.#end();
      else this.#launch();
    }
    if (this.#over && !this.#flying) for (const left of this.#leaving.splice(0)) left();
  }

  #launch(): void {
    const group = this.#group;
    // A group that is gone gets no buffers: starting tells why.
    if (this.#dry && group !== undefined && group.free === 0 && !group.disposed) {
      this.#awaitBuffer(group);
      return;
    }
    this.#dry = false;
    this.#paused = false;
    this.#total = 0;
    this.#flying = true;
    this.#flight = undefined;
    const flight = this.#start(this.#operation, this);
    if (flight !== undefined) this.#flight = flight;
  }

  // A pause has nothing in flight that an abort could cancel.
  #awaitBuffer(group: BufferGroup): void {
    const goOn = (): void => {
      this.#stopWaiting?.();
      this.#dry = false;
      this.#serve();
    };
    const forget = group.whenFree(goOn);
    this.#signal?.addEventListener("abort", goOn, { once: true });
    this.#stopWaiting = () => {
      this.#stopWaiting = undefined;
      forget();
      this.#signal?.removeEventListener("abort", goOn);
    };
  }

  #ends(value: Item): boolean {
    const { declaration, options } = this.#operation;
    const { ends } = declaration.shots ?? {};
    if (ends !== undefined) return ends(value, this.#flags, options as never);
    return this.#group !== undefined && (this.#flags & IORING_CQE_F_BUFFER) === 0;
  }

  // The operation has ended without a failure: for good, or to be started again with what is left of its options.
  #landed(end: boolean): void {
    const { declaration, options } = this.#operation;
    const { again } = declaration.shots ?? {};
    let next: object | undefined;
    if (end || this.#wanted === 0) next = undefined;
    else if (again !== undefined) next = again(this.#result, this.#flags, options as never, this.#total);
    else if (this.#paused || (this.#group !== undefined && (this.#result > 0 || this.#dry))) next = options;
    if (next === undefined) this.#last = true;
    else if (next !== options) this.#operation = withOptions(this.#operation, next);
  }

  #end(): void {
    this.#over = true;
    this.#stopWaiting?.();
    this.#takeBack();
    this.#dropAll();
    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);
  }

  #takeBack(): void {
    for (const { value } of this.#lent.splice(0)) this.#release(value, false);
  }

  #dropAll(): void {
    for (const shot of this.#queue.splice(0)) this.#drop(shot);
  }

  #drop({ value, result, flags }: Shot<Item>): void {
    if (this.#release(value, true)) return;
    const { declaration, options } = this.#operation;
    // What a multishot operation answers is all in its CQEs: there is nothing in a lowering to look at.
    if (!this.#ring.closed) declaration.discard?.(result, flags, options as never, this.#ring, new Lowering(declaration.name));
  }

  #release(value: Item, unseen: boolean): boolean {
    const { declaration, options } = this.#operation;
    if (declaration.shots?.release !== undefined) declaration.shots.release(value, options as never, unseen);
    else if (this.#group !== undefined) this.#group.release(value as Chunk);
    else return false;
    return true;
  }
}
