import type { UblkControl } from "./control.ts";
import { UblkError } from "./error.ts";
import { registerOutside, unregisterOutside } from "./register-memory.ts";
import { SharedMemory } from "./shared-memory.ts";
import { SharedRegion, type ShareOptions } from "./shared-region.ts";
import { SHARED_MAX, SharedTable } from "./shared-table.ts";
import { noteInState } from "./state-file.ts";
import type { QueueThread } from "./thread.ts";

const ETIMEDOUT = -110;
const ENODEV = -19;
/** How long a serving thread may take to let go of memory that is about to be unmapped. */
const FORGET_MS = 2_000;
const POLL_MS = 2;

/** What a device's shared memory consults. */
export interface SharingHost {
  readonly id: number;
  readonly control: UblkControl;
  readonly limitMs: number;
  readonly threads: () => readonly QueueThread[];
}

/**
 * What a device shares with its clients. The commands behind it freeze the device's queue and wait for the requests in flight: they are sent
 * from outside, one at a time, while the threads serve on.
 */
export class SharedMemories {
  /** What the serving threads look up. */
  readonly table = new SharedTable();
  readonly #host: SharingHost;
  readonly #all = new Set<SharedMemory>();
  #last: Promise<unknown> = Promise.resolve();
  #over = false;
  #deaf = false; // a thread has not let go of something: nothing is unmapped any more
  #stale = 0; // of the server before: what it has registered stands for memory that nobody here has

  constructor(host: SharingHost) {
    this.#host = host;
  }

  /** How many there are. */
  get count(): number {
    return this.#all.size;
  }

  /** Maps memory and registers it. */
  async share(options: ShareOptions): Promise<SharedMemory> {
    if (this.#all.size >= SHARED_MAX)
      throw new RangeError(`shareMemory: the disk shares ${SHARED_MAX} pieces of memory already; release some`);
    const region = SharedRegion.open(options);
    const work = this.#inTurn(() => this.#register(region));
    return await this.#withLimit("REG_BUF", work, (late) => late.release());
  }

  /** Takes back what the server before has registered: requests in it fail until then, and nothing new is registered before. */
  async forget(indexes: readonly number[]): Promise<void> {
    if (indexes.length === 0) return;
    this.#stale = indexes.length;
    await this.#inTurn(async () => {
      for (const index of indexes) {
        await unregisterOutside(this.#host.control, this.#host.id, index).catch((error: unknown) => {
          if (!(error instanceof UblkError) || error.code !== "ENOENT") throw error;
        });
        this.#stale--;
      }
    });
    this.#note();
  }

  /** Takes all of it back. */
  async releaseAll(): Promise<void> {
    for (const memory of [...this.#all]) await memory.release();
  }

  /** The device is gone, and what served it: nothing of it is registered any more. */
  end(): void {
    this.#over = true;
    const closed = this.#host.threads().every(({ isClosed }) => isClosed);
    for (const { region } of this.#all) region.close(closed && !this.#deaf);
    this.#all.clear();
  }

  async #register(region: SharedRegion): Promise<SharedMemory> {
    const { id, control } = this.#host;
    const { address, length } = region.arena;
    try {
      this.#checkThere("REG_BUF");
      if (this.#stale > 0)
        throw new TypeError("shareMemory: what the server before has registered could not be taken back; share memory with a new disk");
      this.table.expect(address, length);
      const index = await registerOutside(control, id, region);
      if (index >= SHARED_MAX) {
        await unregisterOutside(control, id, index);
        throw new RangeError(`shareMemory: the driver gave it the index ${index}: other programs have registered memory with this disk`);
      }
      this.table.set(index, address, length);
      const memory = new SharedMemory(index, region, (which) =>
        this.#withLimit(
          "UNREG_BUF",
          this.#inTurn(() => this.#unregister(which)),
        ),
      );
      this.#all.add(memory);
      this.#note();
      this.#checkThere("REG_BUF");
      return memory;
    } catch (error) {
      region.close(true);
      throw error;
    } finally {
      this.table.expectNothing();
    }
  }

  async #unregister(memory: SharedMemory): Promise<void> {
    const { id, control } = this.#host;
    if (!this.#all.has(memory)) return; // closed before
    try {
      await unregisterOutside(control, id, memory.index);
    } catch (error) {
      const code = error instanceof UblkError ? error.code : "";
      if (code === "ENODEV") return; // the device is gone, and closes it
      if (code !== "ENOENT") throw error;
    }
    if (this.#over) return;
    this.table.clear(memory.index);
    await this.#letGo(memory.region);
    this.#all.delete(memory);
    this.#note();
    memory.region.close(!this.#deaf);
  }

  // Whatever a thread has kept of it must be empty before it is unmapped: a look at it would end the process.
  async #letGo({ arena }: SharedRegion): Promise<void> {
    this.table.leave(arena.address, arena.length);
    const asked = this.#host.threads().filter((thread) => thread.forgetShared()).length;
    const until = performance.now() + FORGET_MS;
    while (this.table.gone < asked && performance.now() < until) await Bun.sleep(POLL_MS);
    this.#deaf ||= this.table.gone < asked;
  }

  // For the next server, where there may be one.
  #note(): void {
    const indexes = [...this.#all].map(({ index }) => index);
    if (!this.#over) noteInState(this.#host.id, { shared: indexes });
  }

  #checkThere(command: string): void {
    if (this.#over) throw new UblkError({ command, device: this.#host.id, errno: ENODEV, hint: "the disk has stopped" });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  // The command itself cannot be given up: what comes of it too late is handed to `late`.
  #withLimit<T>(command: string, work: Promise<T>, late?: (value: T) => unknown): Promise<T> {
    const { id, limitMs } = this.#host;
    return new Promise((resolve, reject) => {
      let over = false;
      const hint = `it took longer than ${limitMs} ms; it waits for every request in flight, and the target does not answer one`;
      const timer = setTimeout(() => {
        over = true;
        reject(new UblkError({ command, device: id, errno: ETIMEDOUT, hint }));
      }, limitMs);
      work
        .finally(() => clearTimeout(timer))
        .then((value) => (over ? late?.(value) : resolve(value)))
        .catch(reject);
    });
  }
}
