import { chmodSync, rmSync } from "node:fs";
import type { UblkDevice } from "../ublk/index.ts";
import type { Answer, Question } from "./ask-server.ts";
import type { Output } from "./output.ts";
import { makeDirectory, removeSockets, socketOf } from "./server-path.ts";

/** A question is one line; nobody has a longer one. */
const MOST_BYTES = 4096;
/** How long a connection may say nothing. */
const IDLE_SECONDS = 10;

/** A disk, as far as others may ask for something. */
export type Servable = Pick<UblkDevice, "id" | "resize" | "handOver" | "stop">;

interface Connection {
  said: string;
  answered: boolean;
}

/** Where other processes of this program ask a disk's server for what only the server can do: one question a connection, a line of JSON each way. */
export class ServerSocket {
  readonly #disk: Servable;
  readonly #path: string;
  readonly #listener: Bun.UnixSocketListener<Connection>;
  readonly #answers = new Set<Promise<void>>();
  readonly #gone = (): void => rmSync(this.#path, { force: true });

  private constructor(disk: Servable) {
    this.#disk = disk;
    this.#path = socketOf(disk.id, process.pid);
    makeDirectory();
    removeSockets(disk.id); // the number is ours
    this.#listener = Bun.listen<Connection>({
      unix: this.#path,
      socket: {
        open: (socket) => {
          socket.data = { said: "", answered: false };
          socket.timeout(IDLE_SECONDS);
        },
        data: (socket, bytes) => this.#hear(socket, bytes),
        timeout: (socket) => {
          if (!socket.data.answered) socket.end();
        },
      },
    });
    chmodSync(this.#path, 0o600);
    process.on("exit", this.#gone);
  }

  /** A disk is served without it, too, if it must be. */
  static open(disk: Servable, output: Output): ServerSocket | undefined {
    try {
      return new ServerSocket(disk);
    } catch (error) {
      output.message(`resize, quiesce and stop cannot reach this server: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** Answers what was asked, and ends. */
  async close(): Promise<void> {
    await Promise.all(this.#answers);
    this.#listener.stop();
    this.#gone();
    process.removeListener("exit", this.#gone);
  }

  #hear(socket: Bun.Socket<Connection>, bytes: Uint8Array): void {
    const { data } = socket;
    if (data.answered) return;
    data.said += new TextDecoder().decode(bytes);
    const end = data.said.indexOf("\n");
    if (end < 0 && data.said.length <= MOST_BYTES) return;
    data.answered = true;
    socket.timeout(0);
    const answer = this.#answer(data.said.slice(0, Math.max(end, 0))).then((text) => void socket.end(`${JSON.stringify(text)}\n`));
    this.#answers.add(answer);
    void answer.finally(() => this.#answers.delete(answer));
  }

  async #answer(line: string): Promise<Answer> {
    try {
      await this.#do(JSON.parse(line) as Question);
      return { done: true };
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  }

  async #do(question: Question): Promise<void> {
    switch (question?.ask) {
      case "resize":
        return await this.#disk.resize(question.size);
      case "hand-over":
        return await this.#disk.handOver();
      case "stop":
        return await this.#disk.stop({ ifUnused: question.ifUnused });
      case "ping":
        return;
      default:
        throw new TypeError("this server does not know what it is asked: it is another version");
    }
  }
}
