import type { Flights } from "../flights.ts";
import type { InFlight } from "../in-flight.ts";

/**
 * Room in a ring, kept for a run of a plan: what is known to be in flight at a time never waits for others once the plan has begun.
 * What a `step` adds beyond it waits like any operation, or takes what is free of the plan's own.
 *
 * Nobody holds room while waiting for more: a plan whose operations wait has all of its own in flight.
 */
export class Reservation {
  readonly #flights: Flights;
  readonly #waiting = new Set<InFlight>();
  #total = 0;
  #used = 0;

  constructor(flights: Flights) {
    this.#flights = flights;
  }

  /** Takes the room, which there must be. */
  begin(total: number): void {
    this.#total = total;
    this.#flights.reserved += total;
  }

  /** Begins an operation in the kept room; without any left it waits for it, and for other room. */
  start(flight: InFlight): void {
    if (this.#flights.refuses(flight)) return;
    if (this.#take(flight)) flight.begin();
    else {
      this.giveUp(); // it is too little, and whoever waits must hold nothing that others could use
      this.#waiting.add(flight);
      flight.wanted = this;
      this.#flights.startPart(flight);
    }
    this.#flights.driver.kick();
  }

  /** Takes kept room for one operation; false when none is left. */
  take(): boolean {
    if (this.#used === this.#total) return false;
    this.#used++;
    this.#flights.reserved--;
    return true;
  }

  /** An operation that waited has begun, in other room, or was withdrawn. */
  forget(flight: InFlight): void {
    this.#waiting.delete(flight);
  }

  /** An operation that was begun in the kept room is over. */
  free(size: number): void {
    this.#used -= size;
    this.#flights.reserved += size;
    if (this.#waiting.size === 0) return;
    for (const flight of this.#waiting) {
      if (!this.#take(flight)) return;
      this.#flights.withdraw(flight);
      flight.begin();
    }
  }

  /** The plan is over. */
  end(): void {
    this.giveUp();
    this.#flights.admit();
    this.#flights.driver.kick();
  }

  /** What is not in use is free again. */
  giveUp(): void {
    this.#flights.reserved -= this.#total - this.#used;
    this.#total = this.#used;
  }

  #take(flight: InFlight): boolean {
    const { size } = flight;
    if (this.#used + size > this.#total) return false;
    this.#used += size;
    this.#flights.reserved -= size;
    flight.reservation = this;
    return true;
  }
}
