// file timeout: 600 s
/** How another thread reaches one that blocks in enter: a socket that its ring polls, and a turn of its event loop. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { sys } from "uring-ublk/ffi";
import { Driver, RawRing } from "uring-ublk/uring";
import { answerDoorbell, Doorbell } from "../../src/uring/doorbell.ts";
import { inVm } from "../support/requires.ts";
import { type DoorbellOptions, END, PLAIN, PLAIN_TURNS, RUNG, RUNG_TURNS } from "./programs/doorbell.ts";

const ENTER = "426 "; // io_uring_enter in /proc/<pid>/task/<tid>/syscall

/** A Worker alone takes seconds to start on an emulated machine that is busy. */
const PATIENCE_MS = inVm() ? 50_000 : 5_000;

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !condition(); await Bun.sleep(1)) {
    if (performance.now() > end) throw new Error(`after ${PATIENCE_MS} ms: not ${what}`);
  }
}

/** A Worker with a doorbell, and another. */
class House {
  readonly bell = new Doorbell();
  readonly plain = new Doorbell();
  readonly words = new Int32Array(new SharedArrayBuffer(64));
  readonly #worker = new Worker(new URL("./programs/doorbell.ts", import.meta.url).href);
  #tid = 0;
  #closed = false;

  static async build(synchronous: boolean): Promise<House> {
    const house = new House();
    house.#worker.onmessage = ({ data }) => {
      if (data === "closed") house.#closed = true;
      else house.#tid = data;
    };
    const options: DoorbellOptions = {
      synchronous,
      bell: house.bell.inside,
      plain: house.plain.inside,
      words: house.words.buffer as SharedArrayBuffer,
    };
    house.#worker.postMessage(options);
    await until(() => house.#tid > 0, "started");
    return house;
  }

  count(word: number): number {
    return Atomics.load(this.words, word);
  }

  /** Waits until the thread is inside io_uring_enter. */
  blocked(): Promise<void> {
    return until(() => readFileSync(`/proc/self/task/${this.#tid}/syscall`, "utf8").startsWith(ENTER), "blocked in enter");
  }

  /** Ends it by its doorbell. */
  async end(): Promise<boolean> {
    Atomics.store(this.words, END, 1);
    this.bell.ring();
    await until(() => this.#closed, "closed").finally(() => this.#worker.terminate());
    this.bell.ring(); // nobody is at home: nothing happens
    this.bell.close();
    this.plain.close();
    return this.#closed;
  }
}

describe("the doorbell of a thread that blocks in enter for good", () => {
  let house: House;
  beforeAll(async () => {
    house = await House.build(true);
  });
  afterAll(async () => expect(await house.end()).toBe(true));

  test("is heard there, each time, and gives the event loop a turn", async () => {
    for (let i = 1; i <= 100; i++) {
      await house.blocked();
      house.bell.ring();
      await until(() => house.count(RUNG_TURNS) === i, `heard for the ${i}th time`);
      expect(house.count(RUNG)).toBe(i);
    }
  });

  test("is what gives the turn: without it the thread goes on blocking", async () => {
    await house.blocked();
    for (let i = 1; i <= 5; i++) {
      house.plain.ring();
      await until(() => house.count(PLAIN) === i, "polled");
      await house.blocked();
    }
    expect(house.count(PLAIN_TURNS)).toBe(0);
    house.bell.ring();
    await until(() => house.count(PLAIN_TURNS) === 5, "given a turn");
  });
});

describe("the doorbell of a thread that also sleeps in its event loop", () => {
  // A ring that only the driver's look every 500 ms would notice takes longer than the test may.
  test("is heard in either place", async () => {
    const house = await House.build(false);
    for (let i = 1; i <= 30; i++) {
      if (i % 2 === 0) await Bun.sleep(60); // it has gone to sleep in the event loop
      house.bell.ring();
      await until(() => house.count(RUNG_TURNS) === i, `heard for the ${i}th time`);
    }
    expect(house.count(RUNG)).toBe(30);
    expect(await house.end()).toBe(true);
  });
});

describe("a doorbell on a thread that is never blocked", () => {
  test("rings once for what came together, again for what comes later, and no more once the ring is closed", async () => {
    const raw = new RawRing({ entries: 8 });
    const driver = new Driver(raw);
    const bell = new Doorbell();
    let rung = 0;
    answerDoorbell(raw, driver, bell.inside, () => rung++);
    for (let i = 0; i < 3; i++) bell.ring();
    await until(() => rung > 0, "heard");
    await Bun.sleep(5);
    expect(rung).toBe(1);
    bell.ring();
    await until(() => rung > 1, "heard again");
    driver.close();
    raw.close();
    bell.ring();
    await Bun.sleep(5);
    expect(rung).toBe(2);
    bell.close();
  });

  test("that was answered before its completion is handled is no failure, and is heard the next time", () => {
    const bell = new Doorbell();
    using raw = new RawRing({ entries: 8 });
    const driver = new Driver(raw);
    const failures: unknown[] = [];
    raw.onHandlerError = (error) => failures.push(error);
    let rung = 0;
    answerDoorbell(raw, driver, bell.inside, () => rung++);
    raw.enter(0);
    bell.ring();
    raw.enter(1);
    sys.read(bell.inside, new Uint8Array(64)); // as by the answer to an earlier ring
    raw.reap();
    bell.ring();
    raw.enter(1);
    raw.reap();
    expect({ rung, failures }).toEqual({ rung: 2, failures: [] });
    driver.close();
    raw.close();
    bell.close();
  });
});
