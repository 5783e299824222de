import { sys } from "../ffi/index.ts";
import { Ring, read } from "../uring/index.ts";
import type { Started } from "./front.ts";
import { DAEMON_WORD } from "./hidden-words.ts";
import { LogFile } from "./log-file.ts";
import { self } from "./self.ts";

/** Where the server says that it serves, or why it does not. */
export const READY_FD = 3;

/** What it says there, in JSON. */
export type Word = { readonly ready: Started } | { readonly error: string; readonly status: number };

/** How long a server that was told to end may take. */
const END_MS = 15_000;
const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/** How a start in the background went. */
export type Outcome = { readonly started: Started } | { readonly problem: string; readonly status: number };

/**
 * Starts this program again, in the background: in a session of its own, with nothing of the caller's open (Bun marks all descriptors but the
 * ones it hands over close-on-exec). Waits until that says that it serves. Whoever gives up meanwhile (Ctrl-C, the time limit) ends it.
 */
export async function startDaemon(words: readonly string[], log: string | undefined, seconds: number): Promise<Outcome> {
  const file = LogFile.create(log);
  const [reader, writer] = sys.pipe();
  let child: Bun.Subprocess;
  try {
    child = Bun.spawn(self(DAEMON_WORD, file.log.word, ...words), { stdio: ["ignore", file.fd, file.fd, writer], detached: true });
  } catch (error) {
    sys.close(reader);
    file.log.discard();
    throw error;
  } finally {
    sys.close(writer);
    LogFile.close(file.fd);
  }
  try {
    return await new Start(child, file.log, seconds).outcome(reader);
  } finally {
    sys.close(reader);
    child.unref();
  }
}

/** A server that is starting. */
class Start {
  readonly #child: Bun.Subprocess;
  readonly #log: LogFile;
  readonly #seconds: number;
  #gaveUp: { readonly problem: string; readonly status: number } | undefined;
  #kill: Timer | undefined;

  constructor(child: Bun.Subprocess, log: LogFile, seconds: number) {
    this.#child = child;
    this.#log = log;
    this.#seconds = seconds;
  }

  async outcome(reader: number): Promise<Outcome> {
    const limit = setTimeout(() => {
      this.#giveUp({ problem: `the server did not start within ${this.#seconds} s, and was ended; --timeout gives it more`, status: 1 });
    }, this.#seconds * 1000);
    const heard = Object.entries(SIGNALS).map(([signal, number]) => {
      const listener = (): void => this.#giveUp({ problem: "given up; the server was ended", status: 128 + number });
      process.on(signal, listener);
      return () => process.removeListener(signal, listener);
    });
    try {
      return await this.#hear(reader);
    } finally {
      for (const forget of heard) forget();
      clearTimeout(limit);
      clearTimeout(this.#kill);
    }
  }

  #giveUp(why: { readonly problem: string; readonly status: number }): void {
    if (this.#gaveUp !== undefined) return;
    this.#gaveUp = why;
    this.#child.kill("SIGTERM");
    this.#kill = setTimeout(() => this.#child.kill("SIGKILL"), END_MS);
  }

  async #hear(reader: number): Promise<Outcome> {
    const text = await allOf(reader);
    const word = text === "" ? undefined : (JSON.parse(text) as Word);
    if (word !== undefined && "ready" in word && this.#gaveUp === undefined) return { started: word.ready };
    const status = await this.#child.exited;
    const tail = this.#log.tail();
    this.#log.discard();
    if (this.#gaveUp !== undefined) return this.#gaveUp;
    if (word !== undefined && "error" in word) return { problem: word.error, status: word.status };
    const said = tail === "" ? "" : `; it wrote:\n${tail}`;
    return { problem: `the server ended before its disk was there (status ${status})${said}`, status: 1 };
  }
}

/** What comes through a pipe until its other end is closed. */
async function allOf(fd: number): Promise<string> {
  await using ring = await Ring.open({ entries: 4 });
  const buffer = new Uint8Array(65536);
  const decoder = new TextDecoder();
  for (let text = ""; ; ) {
    const bytes = await ring.run(read({ fd, buffer }));
    if (bytes === 0) return text;
    text += decoder.decode(buffer.subarray(0, bytes), { stream: true });
  }
}
