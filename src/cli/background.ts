import { closeSync, writeSync } from "node:fs";
import { READY_FD, type Word } from "./daemon.ts";
import type { Front, Started } from "./front.ts";
import { LogFile } from "./log-file.ts";
import type { Output } from "./output.ts";

/** The server's side of a start in the background: see daemon.ts. */
export class Background implements Front {
  #log: LogFile;
  #told = false;

  constructor(word: string) {
    this.#log = LogFile.of(word);
  }

  /** What the server says, with the time. */
  get output(): Output {
    const line = (text: string): void => void process.stderr.write(`${new Date().toISOString()} ${text}`);
    return { data: line, message: (text) => line(`uring-ublk: ${text}\n`) };
  }

  ready(started: Started): boolean {
    // It keeps no directory from being unmounted.
    process.chdir("/");
    this.#log = this.#log.settle(started.id);
    if (this.#tell({ ready: { ...started, log: this.#log.path } })) return true;
    this.output.message("whoever has started this server is gone: it ends");
    return false;
  }

  /** It will not serve. */
  failed(error: string, status: number): void {
    if (!this.#told) this.#tell({ error, status });
  }

  stopping(): void {
    // The log tells, in the end.
  }

  /** Answers whether somebody hears it. */
  #tell(word: Word): boolean {
    this.#told = true;
    try {
      writeSync(READY_FD, JSON.stringify(word));
      return true;
    } catch {
      this.#log.discard();
      return false;
    } finally {
      closeSync(READY_FD);
    }
  }
}
