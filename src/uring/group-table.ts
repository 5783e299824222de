import { BufferGroup, type BufferGroupOptions } from "./buffer-group.ts";
import type { Registrations } from "./register/index.ts";
import { SendGroup, type SendGroupOptions } from "./send-group.ts";

/** The buffer groups of a ring, by number. */
export class GroupTable {
  readonly #register: Registrations;
  readonly #groups = new Map<number, BufferGroup | SendGroup>();

  constructor(register: Registrations) {
    this.#register = register;
  }

  /** A group to receive into. */
  receiving(options: BufferGroupOptions): BufferGroup {
    const id = this.#freeId();
    const group = new BufferGroup(id, options, this.#register, () => this.#groups.delete(id));
    this.#groups.set(id, group);
    return group;
  }

  /** A group to send from. */
  sending(options: SendGroupOptions): SendGroup {
    const id = this.#freeId();
    const group = new SendGroup(id, options, this.#register, () => this.#groups.delete(id));
    this.#groups.set(id, group);
    return group;
  }

  /** Frees them all. */
  dispose(): void {
    for (const group of [...this.#groups.values()]) group[Symbol.dispose]();
  }

  /** The kernel may still use their memory: it is kept. Answers what must stay reachable. */
  leave(): readonly object[] {
    const left = [...this.#groups.values()];
    this.#groups.clear();
    for (const group of left) group.leave();
    return left;
  }

  #freeId(): number {
    let id = 1; // 0 is for who works on the raw layer below
    while (this.#groups.has(id)) id++;
    return id;
  }
}
