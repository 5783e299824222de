import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { userDirectory } from "../ublk/user-directory.ts";

/** Where logs are: `/var/log/uring-ublk`, or `URING_UBLK_LOG_DIR`; of users without root's rights, beside their state files. */
const logDirectory = (): string => process.env.URING_UBLK_LOG_DIR ?? userDirectory("/var/log/uring-ublk");

/** How much of a log an error shows. */
const TAIL_LINES = 10;

/** Removes what starts have left that were killed together with their servers. */
function removeStale(): void {
  for (const name of readdirSync(logDirectory())) {
    const [, pid] = /^starting-(\d+)\.log$/.exec(name) ?? [];
    if (pid !== undefined && (Number(pid) === process.pid || !existsSync(`/proc/${pid}`)))
      rmSync(join(logDirectory(), name), { force: true });
  }
}

/**
 * The log of a server in the background. Until its disk has a number the file has a name of its own; a log that lies where it belongs then is
 * kept as `.1`. One that the user has named is appended to.
 */
export class LogFile {
  readonly path: string;
  readonly #named: boolean;

  constructor(path: string, named: boolean) {
    this.path = path;
    this.#named = named;
  }

  /** Makes the file of a server that is about to start. Answers the descriptor, too. */
  static create(name: string | undefined): { log: LogFile; fd: number } {
    const path = name === undefined ? join(logDirectory(), `starting-${process.pid}.log`) : resolve(name);
    try {
      if (name === undefined) {
        mkdirSync(logDirectory(), { recursive: true, mode: 0o755 });
        removeStale();
      }
      return { log: new LogFile(path, name !== undefined), fd: openSync(path, name === undefined ? "wx" : "a", 0o640) };
    } catch (error) {
      throw new Error(`the log cannot be written: ${(error as Error).message}; --log FILE names another place`);
    }
  }

  /** The same, in the server itself: what it is told by whoever has started it. */
  static of(word: string): LogFile {
    return new LogFile(word.slice(1), word.startsWith("="));
  }

  /** For {@link LogFile.of}. */
  get word(): string {
    return `${this.#named ? "=" : "~"}${this.path}`;
  }

  /** Gives it the name that belongs to the disk. */
  settle(id: number): LogFile {
    if (this.#named) return this;
    const path = join(logDirectory(), `ublkb${id}.log`);
    try {
      renameSync(path, `${path}.1`);
    } catch {
      // There was none.
    }
    renameSync(this.path, path);
    return new LogFile(path, this.#named);
  }

  /** The server came to nothing: so does its log, which whoever started it has read. */
  discard(): void {
    const unused = !this.#named || statSync(this.path, { throwIfNoEntry: false })?.size === 0;
    if (unused) rmSync(this.path, { force: true });
  }

  /** Its last lines. */
  tail(): string {
    try {
      return readFileSync(this.path, "utf8").trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
    } catch {
      return "";
    }
  }

  /** Closes the starter's descriptor. */
  static close(fd: number): void {
    closeSync(fd);
  }
}
