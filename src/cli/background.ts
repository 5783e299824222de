import { closeSync, readFileSync, writeSync } from "node:fs";
import { sys } from "../ffi/index.ts";
import { READY_FD, type Word } from "./daemon.ts";
import type { Front, Started } from "./front.ts";
import { LogFile } from "./log-file.ts";
import type { Output } from "./output.ts";

const PR_SET_PDEATHSIG = 1;
const SIGTERM = 15;

/** The process that is the parent now. */
const parent = (): number => Number(/^PPid:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

/** The server's side of a start in the background: see daemon.ts. */
export class Background implements Front {
  #log: LogFile;
  #told = false;

  /** Until it serves it ends with whoever has started it. */
  constructor(word: string, caller: number) {
    this.#log = LogFile.of(word);
    process.on("exit", () => {
      if (!this.#told) this.#log.discard();
    });
    sys.prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (parent() !== caller) process.exit(1);
  }

  /** What the server says, with the time. */
  get output(): Output {
    const line = (text: string): void => void process.stderr.write(`${new Date().toISOString()} ${text}`);
    return { data: line, message: (text) => line(`uring-ublk: ${text}\n`) };
  }

  ready(started: Started): boolean {
    sys.prctl(PR_SET_PDEATHSIG, 0);
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
