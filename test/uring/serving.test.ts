// file timeout: 600 s
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Ring, recv, send } from "uring-ublk";
import type { ServingOptions } from "./programs/serving.ts";
import { type Pair, SOCK_DGRAM, socketPair } from "./support/descriptors.ts";

const ENTER = "426 "; // io_uring_enter in /proc/<pid>/task/<tid>/syscall

/** A Worker that serves, and the socket to talk to it. */
class Service {
  readonly #ends: Pair;
  readonly #worker: Worker;
  readonly #ring: Ring;
  readonly #buffer = new Uint8Array(256);
  tid = 0;
  closed = false;

  private constructor(ring: Ring) {
    this.#ring = ring;
    this.#ends = socketPair(SOCK_DGRAM);
    this.#worker = new Worker(new URL("./programs/serving.ts", import.meta.url).href);
  }

  static async start(url: string, synchronous = false): Promise<Service> {
    const service = new Service(await Ring.open({ entries: 8 }));
    const options: ServingOptions = {
      fd: service.#ends.second,
      synchronous,
      url,
      extra: new URL("./programs/extra.ts", import.meta.url).pathname,
    };
    await new Promise<void>((resolve) => {
      service.#worker.onmessage = ({ data }) => {
        if (data === "closed") service.closed = true;
        else service.tid = data;
        resolve();
      };
      service.#worker.postMessage(options);
    });
    return service;
  }

  async ask(kind: string): Promise<string> {
    await this.#ring.run(send({ fd: this.#ends.first, buffer: new TextEncoder().encode(kind) }));
    const count = await this.#ring.run(recv({ fd: this.#ends.first, buffer: this.#buffer }), {
      signal: AbortSignal.timeout(5000),
    });
    return new TextDecoder().decode(this.#buffer.subarray(0, count));
  }

  /** Whether the thread is inside io_uring_enter now. */
  inEnter(): boolean {
    return readFileSync(`/proc/self/task/${this.tid}/syscall`, "utf8").startsWith(ENTER);
  }

  async stop(): Promise<void> {
    await this.#ring.run(send({ fd: this.#ends.first, buffer: new TextEncoder().encode("stop") }));
    for (let i = 0; i < 2000 && !this.closed; i++) await Bun.sleep(1);
    this.#worker.terminate();
    await this.#ring.close();
    this.#ends[Symbol.dispose]();
  }
}

for (const synchronous of [false, true]) {
  describe(`a serving Worker${synchronous ? " whose policy is synchronous" : ""}`, () => {
    let server: ReturnType<typeof Bun.serve>;
    let service: Service;
    beforeAll(async () => {
      server = Bun.serve({ port: 0, fetch: () => new Response("fetch") });
      service = await Service.start(server.url.href, synchronous);
    });
    afterAll(async () => {
      await service.stop();
      server.stop(true);
    });

    test("answers at once", async () => {
      for (let i = 0; i < 500; i++) expect(await service.ask("sync")).toBe("sync");
    });

    test("runs the microtasks of a handler before it waits again", async () => {
      for (let i = 0; i < 50; i++) expect(await service.ask("microtask")).toBe("microtask");
    });

    for (const kind of ["timer", "immediate", "fetch", "import", "file", "chain"]) {
      test(`lets a handler await what only the event loop advances: ${kind}`, async () => {
        for (let i = 0; i < 5; i++) expect(await service.ask(kind)).toBe(kind);
        expect(await service.ask("sync")).toBe("sync");
      });
    }

    test("mixes all kinds", async () => {
      for (let i = 0; i < 60; i++) {
        const kind = ["sync", "timer", "microtask", "fetch", "sync"][i % 5]!;
        expect(await service.ask(kind)).toBe(kind);
      }
    });

    test("blocks in the kernel while it is busy and nothing is awaited", async () => {
      let inside = 0;
      for (let i = 0; i < 100; i++) {
        await service.ask("sync");
        if (service.inEnter()) inside++;
      }
      expect(inside).toBeGreaterThan(50);
    });

    test(`${synchronous ? "keeps blocking" : "sleeps in the event loop"} when it is idle`, async () => {
      await service.ask("sync");
      let inside = 0;
      for (let i = 0; i < 20; i++) {
        await Bun.sleep(20);
        if (service.inEnter()) inside++;
      }
      if (synchronous) expect(inside).toBe(20);
      else expect(inside).toBeLessThan(10);
      expect(await service.ask("sync")).toBe("sync");
    });

    if (synchronous) return;
    test("takes a real turn now and then even when it is never idle", async () => {
      await service.ask("background");
      const until = performance.now() + 400;
      while (performance.now() < until) await service.ask("sync");
      expect(Number(await service.ask("turns"))).toBeGreaterThanOrEqual(3);
    });
  });
}

describe("two serving Workers", () => {
  test("do not disturb each other", async () => {
    using server = Bun.serve({ port: 0, fetch: () => new Response("fetch") });
    const services = await Promise.all([Service.start(server.url.href), Service.start(server.url.href)]);
    await Promise.all(
      services.map(async (service, n) => {
        for (let i = 0; i < 100; i++) {
          const kind = (i + n) % 10 === 0 ? "timer" : "sync";
          expect(await service.ask(kind)).toBe(kind);
        }
      }),
    );
    await Promise.all(services.map((service) => service.stop()));
  });
});
