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
 * ones it hands over close-on-exec). Waits until that says that it serves. Whoever gives up meanwhile (Ctrl-C, the time limit) ends it; and
 * if this process is killed, the server ends by itself.
 */
export async function startDaemon(words: readonly string[], log: string | undefined, seconds: number): Promise<Outcome> {
  const file = LogFile.create(log);
  const [reader, writer] = sys.pipe();
  using start = new Start(file.log, seconds);
  try {
    try {
      const caller = `${process.pid}`;
      start.child = Bun.spawn(self(DAEMON_WORD, file.log.word, caller, ...words), {
        stdio: ["ignore", file.fd, file.fd, writer],
        detached: true,
      });
    } finally {
      sys.close(writer);
      LogFile.close(file.fd);
    }
    return await start.hear(reader);
  } finally {
    sys.close(reader);
    if (start.child === undefined) file.log.discard();
  }
}

/** A server that is starting, and what may end it before it has started. */
class Start implements Disposable {
  child: Bun.Subprocess | undefined;
  readonly #log: LogFile;
  readonly #ends: (() => void)[] = [];
  #gaveUp: { readonly problem: string; readonly status: number } | undefined;

  constructor(log: LogFile, seconds: number) {
    this.#log = log;
    const late = { problem: `the server did not start within ${seconds} s, and was ended; --timeout gives it more`, status: 1 };
    const limit = setTimeout(() => this.#giveUp(late), seconds * 1000);
    this.#ends.push(() => clearTimeout(limit));
    for (const [signal, number] of Object.entries(SIGNALS)) {
      const listener = (): void => this.#giveUp({ problem: "given up; the server was ended", status: 128 + number });
      process.on(signal, listener);
      this.#ends.push(() => process.removeListener(signal, listener));
    }
  }

  #giveUp(why: { readonly problem: string; readonly status: number }): void {
    if (this.#gaveUp !== undefined) return;
    this.#gaveUp = why;
    this.child?.kill("SIGTERM");
    const kill = setTimeout(() => this.child?.kill("SIGKILL"), END_MS);
    this.#ends.push(() => clearTimeout(kill));
  }

  /** Waits for what it says, or for its end. */
  async hear(reader: number): Promise<Outcome> {
    const child = this.child!;
    if (this.#gaveUp !== undefined) child.kill("SIGTERM");
    const text = await allOf(reader);
    const word = text === "" ? undefined : (JSON.parse(text) as Word);
    if (word !== undefined && "ready" in word && this.#gaveUp === undefined) return { started: word.ready };
    const status = await child.exited;
    const tail = this.#log.tail();
    this.#log.discard();
    if (this.#gaveUp !== undefined) return this.#gaveUp;
    if (word !== undefined && "error" in word) return { problem: word.error, status: word.status };
    const said = tail === "" ? "" : `; it wrote:\n${tail}`;
    return { problem: `the server ended before its disk was there (status ${status})${said}`, status: 1 };
  }

  [Symbol.dispose](): void {
    for (const end of this.#ends) end();
    this.child?.unref();
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
