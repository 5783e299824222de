import type { UblkQueue } from "../../ublk/index.ts";
import { dial, type Peer } from "./dial.ts";
import { serverError } from "./errors.ts";
import { Incoming } from "./incoming.ts";
import { Outgoing } from "./outgoing.ts";
import type { Export } from "./protocol.ts";
import { Session } from "./session.ts";
import type { Work } from "./work.ts";

/** What a queue needs to know to reach its server. */
export interface LinkSpec extends Peer {
  /** The server, as errors name it. */
  readonly label: string;
  /** What the export was when the disk was made. */
  readonly export: Export;
}

/** Pauses between attempts to connect. */
const PAUSE_MS = 100;
const PAUSE_MAX_MS = 5000;
const LOOK_MAX_MS = 1000;

/**
 * A queue's way to the server: one connection, and another when it is lost. What was under way on a lost one fails, as nobody knows whether the
 * server has done it; what comes later waits for the next one, for as long as the server may take to answer. Of each outage the disk is
 * told once.
 */
export class Link {
  readonly #queue: UblkQueue;
  readonly #spec: LinkSpec;
  readonly #data: { readonly incoming: Incoming; readonly outgoing: Outgoing };
  #session: Session | undefined;
  #waiting: Work[] = [];
  #connecting = false;
  #trouble: unknown; // why there is no session
  #told = false; // of this outage
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended = false;

  constructor(queue: UblkQueue, spec: LinkSpec) {
    this.#queue = queue;
    this.#spec = spec;
    this.#data = { incoming: new Incoming(queue), outgoing: new Outgoing(queue) };
  }

  /** Connects. */
  async open(): Promise<void> {
    const { export: wanted, label } = this.#spec;
    const { fd, export: found } = await dial(this.#queue.ring, this.#spec);
    const session: Session = new Session(this.#queue.ring, fd, this.#data, {
      lost: (error) => this.#lost(session, error),
      dropped: (works, error) => this.#drop(works, serverError(label, error, "the disk connects again")),
      unsent: (works) => this.#unsent(session, works),
    });
    if (this.#ended || found.size !== wanted.size || found.flags !== wanted.flags || found.largest < wanted.largest) {
      session.close();
      throw new Error("the export is not what it was: stop the disk and serve it anew");
    }
    this.#session = session;
    this.#told = false;
  }

  /** Sends a request, now or when there is a connection, and ends it. */
  submit(work: Work): void {
    // One that is not waited for any longer takes its connection with it: its data may be in there.
    work.token.signal.onabort = () => this.#unwanted(work);
    if (this.#session !== undefined) this.#session.submit(work);
    else this.#wait(work);
    this.#timer ??= this.#look();
  }

  /** Takes leave. The ring may be closed already. */
  close(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#session?.close();
    this.#session = undefined;
  }

  #wait(work: Work): void {
    this.#waiting.push(work);
    if (!this.#connecting) void this.#connect();
  }

  // While somebody waits.
  async #connect(): Promise<void> {
    this.#connecting = true;
    for (let pause = PAUSE_MS; this.#waiting.length > 0 && !this.#ended; pause = Math.min(pause * 2, PAUSE_MAX_MS)) {
      try {
        await this.open();
        break;
      } catch (error) {
        this.#trouble = error;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    this.#connecting = false;
    if (this.#session === undefined) return;
    for (const work of this.#waiting.splice(0)) this.#session.submit(work);
  }

  #lost(session: Session, error: unknown): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    this.#trouble = error;
  }

  #unsent(session: Session, works: readonly Work[]): void {
    this.#lost(session, undefined);
    for (const work of works) this.#wait(work);
  }

  #unwanted(work: Work): void {
    const at = this.#waiting.indexOf(work);
    if (at < 0) this.#session?.lose(new Error("a request was not waited for any longer"));
    else this.#waiting.splice(at, 1);
  }

  /** They fail: one of them with the error, which the disk tells of, the others quietly. */
  #drop(works: readonly Work[], error: unknown): void {
    // Data that may still be in flight is waited for where an error is told.
    const telling = works.find(({ broken, wanted }) => broken && wanted) ?? works.find(({ wanted }) => wanted && !this.#told);
    for (const work of works) {
      if (work === telling) work.failWith(error);
      else work.fail();
    }
    if (telling !== undefined) this.#told = true;
  }

  // ---- the limit

  #look(): ReturnType<typeof setTimeout> {
    const { timeoutMs } = this.#spec;
    return setTimeout(() => this.#limit(timeoutMs), Math.min(timeoutMs / 4, LOOK_MAX_MS));
  }

  #limit(timeoutMs: number): void {
    const { label } = this.#spec;
    const latest = performance.now() - timeoutMs;
    const oldest = this.#session?.oldest;
    if (oldest !== undefined && oldest.since <= latest)
      this.#session!.lose(new Error(`the server has not answered within ${timeoutMs} ms`));
    const late = this.#waiting.filter(({ since }) => since <= latest);
    this.#waiting = this.#waiting.filter(({ since }) => since > latest);
    this.#drop(late, serverError(label, this.#trouble ?? new Error("there is no connection"), `tried for ${timeoutMs} ms`));
    const more = this.#waiting.length > 0 || this.#session?.oldest !== undefined;
    this.#timer = more && !this.#ended ? this.#look() : undefined;
  }
}
