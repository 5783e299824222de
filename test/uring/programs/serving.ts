// A thread that serves a ring: every message on a datagram socket is answered on it by a handler of the kind it names.
import { addressOf, sys } from "uring-ublk/ffi";
import { Driver, RawRing } from "uring-ublk/uring";

export interface ServingOptions {
  fd: number;
  synchronous?: boolean;
  url: string;
  extra: string;
}

function serve({ fd, synchronous, url, extra }: ServingOptions): void {
  const raw = new RawRing({ entries: 16 });
  let awaiting = 0;
  let turns = 0;
  const driver = new Driver(raw, {
    serving: true,
    synchronous: synchronous ?? false,
    awaiting: () => awaiting > 0,
  });
  const buffer = new Uint8Array(new ArrayBuffer(256));
  const reply = (text: string): void => {
    sys.write(fd, new TextEncoder().encode(text));
  };
  const kinds: Record<string, () => string | Promise<string>> = {
    sync: () => "sync",
    microtask: async () => {
      for (let i = 0; i < 5; i++) await null;
      return "microtask";
    },
    timer: () => new Promise((resolve) => setTimeout(resolve, 5, "timer")),
    immediate: () => new Promise((resolve) => setImmediate(resolve, "immediate")),
    fetch: async () => (await fetch(url)).text(),
    import: async () => ((await import(`${extra}?${Math.random()}`)) as { word: string }).word,
    file: async () => ((await Bun.file(extra).text()).length > 0 ? "file" : "empty"),
    chain: async () => {
      for (let i = 0; i < 3; i++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        await (await fetch(url)).text();
      }
      return "chain";
    },
    // What nobody awaits advances all the same: a serving thread takes a real turn every 50 ms.
    background: () => {
      const timer = setInterval(() => turns++, 1);
      setTimeout(() => clearInterval(timer), 100_000);
      return "background";
    },
    turns: () => `${turns}`,
    blocked: () => "blocked",
  };
  const finish = (answer: string): void => {
    reply(answer);
    awaiting--;
    driver.kick();
  };
  const slot = raw.allocate((result) => {
    if (result <= 0) {
      driver.close();
      raw.close();
      postMessage("closed");
      return;
    }
    const kind = new TextDecoder().decode(buffer.subarray(0, result));
    raw.recv(slot, fd, addressOf(buffer), buffer.length, 0);
    if (kind === "stop") {
      raw.cancel(
        raw.allocate(() => {}),
        -1,
        slot,
        raw.generation(slot),
        0,
      );
      return;
    }
    const answer = kinds[kind]!();
    if (typeof answer === "string") reply(answer);
    else {
      awaiting++;
      driver.microtasksDue = true;
      void answer.then(finish, (error: unknown) => finish(String(error)));
    }
  });
  raw.recv(slot, fd, addressOf(buffer), buffer.length, 0);
  driver.kick();
}

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<ServingOptions>) => {
  serve(data);
  postMessage(sys.gettid());
};
