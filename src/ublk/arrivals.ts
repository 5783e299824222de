import type { Driver } from "../uring/index.ts";
import { UBLK_IO_F_NEED_REG_BUF, UBLK_IO_RES_NEED_GET_DATA } from "./abi.ts";
import type { UblkError } from "./error.ts";
import type { HandRegistrations } from "./hand-registrations.ts";
import type { QueueEvents, QueueSpec } from "./queue-spec.ts";
import { DESCRIPTOR_WORDS } from "./request.ts";
import type { TagBuffers } from "./tag-buffers.ts";
import type { TagCommands } from "./tag-commands.ts";
import { ARRIVING, REGISTERING } from "./tag-states.ts";

/** What a queue's arrivals consult. */
export interface ArrivalParts {
  readonly states: Uint8Array;
  /** The mapped descriptors of the tags. */
  readonly iod: Int32Array;
  readonly events: Pick<QueueEvents, "requestError">;
  readonly buffers: TagBuffers;
  /** What asks for a WRITE's data, in a mode that has that. */
  readonly commands: TagCommands | undefined;
  readonly byHand: HandRegistrations;
  readonly driver: Driver;
  /** A request's data is where its mode has it: it may be handled. */
  readonly admit: (tag: number) => void;
  /** A request ends so: its pages could not be registered, or its end had to wait for that. */
  readonly end: (tag: number, result: number) => void;
}

/** Flags of a descriptor, and what they are where nothing is between the request's arrival and its handler. -1: something always is. */
export const plainRequests = ({
  mode,
  serialize,
  zoneSize,
}: Pick<QueueSpec, "mode" | "serialize" | "zoneSize">): [flags: number, plain: number] => [
  mode === "auto-buf-reg" ? UBLK_IO_F_NEED_REG_BUF : 0,
  serialize || zoneSize > 0 || mode === "need-get-data" || mode === "zero-copy" ? -1 : 0,
];

/** What is between the arrival of a request and its handler: its data asked for, or its pages registered by hand. */
export class Arrivals {
  readonly #parts: ArrivalParts;

  constructor(parts: ArrivalParts) {
    const { zones } = parts.buffers;
    const admit = (tag: number): void => {
      zones!.begin(tag);
      parts.admit(tag);
    };
    this.#parts = zones === undefined ? parts : { ...parts, admit };
    parts.byHand.registered = (tag, error) => this.#registered(tag, error);
    parts.byHand.decided = parts.end;
  }

  /** A tag's command completed, with a request. */
  arrived(tag: number, result: number): void {
    const { states, buffers, byHand, commands, driver, admit } = this.#parts;
    if (states[tag] === ARRIVING) commands!.commits(tag); // its data has come
    if (result === UBLK_IO_RES_NEED_GET_DATA) {
      states[tag] = ARRIVING;
      buffers.shared?.keep(tag);
      commands!.getData(tag);
      driver.kick();
    } else if (!byHand.early && buffers.mustRegister(this.#flags(tag))) {
      states[tag] = REGISTERING;
      byHand.register(tag);
      driver.kick();
    } else admit(tag);
  }

  #registered(tag: number, error: UblkError | undefined): void {
    const { events, admit, end } = this.#parts;
    if (error === undefined) {
      admit(tag);
      return;
    }
    events.requestError(error, this.#flags(tag) & 0xff, 0, 0);
    end(tag, error.errno);
  }

  #flags(tag: number): number {
    return this.#parts.iod[tag * DESCRIPTOR_WORDS]!;
  }
}
