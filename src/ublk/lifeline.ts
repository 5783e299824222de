/**
 * What ends a process must not leave a device behind: signals and uncaught exceptions stop the disks first.
 *
 * @module
 */

/** What the lifeline needs of a device, or of one that is being made. */
interface Stoppable {
  /** It stays when its process ends, and waits for another: after a crash it is not stopped. */
  readonly outlives?: boolean;
  stop(options?: { grace?: number }): Promise<void>;
  dropSync(): void;
}

const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
type Signal = keyof typeof SIGNALS;

class Lifeline {
  readonly #devices = new Map<Stoppable, boolean>();
  readonly #listeners = new Map<string, unknown>();
  #ending = false;

  /** Watches over a device; with `signals` it is stopped when the process is told to end. */
  add(device: Stoppable, signals: boolean): void {
    this.#devices.set(device, signals);
    this.#listen("exit", () => {
      for (const left of this.#devices.keys()) left.dropSync();
    });
    if (!signals) return;
    for (const signal of Object.keys(SIGNALS) as Signal[]) {
      this.#listen(signal, () => {
        // A program with a listener of its own decides itself when to stop and when to end.
        if (process.listenerCount(signal) > 1) return;
        void this.#end(128 + SIGNALS[signal]);
      });
    }
    this.#listen("uncaughtException", (error: Error) => {
      if (process.listenerCount("uncaughtException") > 1) return;
      process.stderr.write(`${error?.stack ?? String(error)}\n`);
      void this.#end(1, true);
    });
    this.#listen("unhandledRejection", (error: unknown) => {
      if (process.listenerCount("unhandledRejection") > 1) return;
      process.stderr.write(`Unhandled rejection: ${error instanceof Error ? error.stack : String(error)}\n`);
      void this.#end(1, true);
    });
  }

  /** The device is gone. */
  remove(device: Stoppable): void {
    this.#devices.delete(device);
    if (this.#devices.size > 0) return;
    for (const [event, listener] of this.#listeners) process.removeListener(event, listener as () => void);
    this.#listeners.clear();
  }

  #listen<A extends unknown[]>(event: string, listener: (...args: A) => void): void {
    if (this.#listeners.has(event)) return;
    this.#listeners.set(event, listener);
    process.on(event as "exit", listener as () => void);
  }

  async #end(code: number, crash = false): Promise<void> {
    if (this.#ending) process.exit(code); // told twice: the disks are dropped, not stopped
    this.#ending = true;
    const stops = [...this.#devices]
      .filter(([device, signals]) => signals && !(crash && device.outlives === true))
      .map(([device]) => device.stop());
    const results = await Promise.allSettled(stops);
    for (const result of results) if (result.status === "rejected") process.stderr.write(`uring-ublk: ${String(result.reason)}\n`);
    process.exit(code);
  }
}

/** This process's lifeline. */
export const lifeline = new Lifeline();
