import { Notifier } from "./notify.ts";
import { jsonText, type Output } from "./output.ts";

/** A server that serves. */
export interface Started {
  readonly path: string;
  readonly id: number;
  /** The process whose end is the server's. */
  readonly pid: number;
  /** Where it writes what happens. */
  readonly log?: string | undefined;
}

/** Whoever has started a server, and is told of its life. */
export interface Front {
  /** The disk can be opened. Answers whether anybody still wants it. */
  ready(started: Started): boolean | Promise<boolean>;
  /** It is being stopped. */
  stopping(): void | Promise<void>;
}

/** What `add` prints: the path, the number and the process, in one line. */
export function startedText({ path, id, pid, log }: Started, json: boolean): string {
  return json ? jsonText({ path, id, pid, log: log ?? null }) : `${path} ${id} ${pid}\n`;
}

/** The terminal, or a supervisor such as systemd. */
export class Foreground implements Front {
  readonly #output: Output;
  readonly #json: boolean;
  readonly #notifier = new Notifier();

  constructor(output: Output, json: boolean) {
    this.#output = output;
    this.#json = json;
  }

  async ready(started: Started): Promise<boolean> {
    this.#output.data(startedText(started, this.#json));
    await this.#tell(`READY=1\nMAINPID=${started.pid}\nSTATUS=serves ${started.path}`);
    return true;
  }

  async stopping(): Promise<void> {
    await this.#tell("STOPPING=1");
  }

  // The disk is served all the same.
  async #tell(text: string): Promise<void> {
    try {
      await this.#notifier.send(text);
    } catch (error) {
      this.#output.message(`the supervisor could not be told: ${(error as Error).message}`);
    }
  }
}
