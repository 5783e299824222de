import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { StepLimit, unlessAborted } from "./limits.ts";
import type { Capabilities } from "./methods.ts";
import type { QueueThread } from "./thread.ts";
import { Turns } from "./turns.ts";
import { WorkerThread } from "./worker-thread.ts";

/** Editors write a file in several steps. */
const SETTLE_MS = 100;

/** What a {@link HotReload} consults. */
export interface ReloadHost {
  /** URL of the target's module. */
  readonly module: string | undefined;
  readonly threads: () => readonly QueueThread[];
  /** What every thread can do, as the kernel was told. */
  readonly capabilities: () => Capabilities;
  readonly limitMs: number;
}

/** Refuses to watch what is no file. */
export function checkReload({ hotReload }: { readonly hotReload: boolean }, module: string | undefined): void {
  if (hotReload && module?.startsWith("file:") !== true)
    throw new TypeError("serve: hotReload is true, but the target is no module in a file; give its URL, or leave hotReload out");
}

/** Serves a disk with its module's new code, in the same threads, one reload after the other. */
export class HotReload {
  readonly #host: ReloadHost;
  #watcher: FSWatcher | undefined;
  #timer: Timer | undefined;
  readonly #turns = new Turns(1);

  constructor(host: ReloadHost) {
    this.#host = host;
  }

  /** Reloads when a file in the module's folder has changed, and tells what came of it. */
  watch(told: (error: Error | undefined) => void): void {
    const folder = dirname(fileURLToPath(this.#host.module!));
    this.#watcher = watch(folder, { persistent: false }, () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.reload().then(() => told(undefined), told), SETTLE_MS);
    });
  }

  /** No more reloads. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  /** Every thread loads the module anew and attaches it; when all could, all exchange it for what they had. */
  reload(): Promise<void> {
    return this.#turns.run(() => this.#reload());
  }

  async #reload(): Promise<void> {
    const { module, limitMs } = this.#host;
    if (module?.startsWith("file:") !== true)
      throw new TypeError("reload: the target is no module in a file; serve the URL of one to reload it");
    const threads = this.#host.threads().filter((thread) => thread instanceof WorkerThread);
    const prepared = await Promise.allSettled(threads.map((thread) => this.#prepare(thread)));
    const failed = prepared.find((result) => result.status === "rejected");
    if (failed !== undefined) {
      for (const [index, { status }] of prepared.entries()) if (status === "fulfilled") threads[index]!.discard();
      throw failed.reason;
    }
    const exchanged = await Promise.all(threads.map((thread) => thread.exchange(limitMs)));
    if (exchanged.includes(false)) {
      const kept = exchanged.every((done) => !done) ? "the disk is" : "some of its threads are";
      throw new Error(`reload: ${kept} served by the old code: its requests were not answered within ${limitMs} ms`);
    }
  }

  async #prepare(thread: WorkerThread): Promise<void> {
    const { module, limitMs } = this.#host;
    using limit = new StepLimit(limitMs, `the reload of ${module}`);
    const can = await unlessAborted(thread.prepare(), limit.signal, () => thread.discard());
    const had = this.#host.capabilities();
    const missing = (Object.keys(had) as (keyof Capabilities)[]).filter((name) => had[name] && !can[name]);
    if (missing.length === 0) return;
    thread.discard();
    throw new TypeError(
      `reload: the new code lacks what the kernel was told of: ${missing.join(", ")}; put it back, or serve the disk anew`,
    );
  }
}
