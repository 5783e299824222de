import { describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { type Program, runExample, startExample } from "../examples/program.ts";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { pattern } from "../uring/support/descriptors.ts";

const t = requires(kernelAtLeast("6.11"), "bind and listen need Linux 6.11");

const portOf = ({ line }: Program): number => Number(/:(\d+)$/.exec(line)![1]);
const hash = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

function opened(port: number, host = "127.0.0.1"): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Sends data in pieces and checks that it comes back, all of it and in order. */
async function exchange(port: number, data: Uint8Array, piece: number): Promise<void> {
  const socket = await opened(port);
  const echoed = new Bun.CryptoHasher("sha256");
  let got = 0;
  const done = new Promise<void>((resolve, reject) => {
    socket.on("data", (part) => {
      echoed.update(part);
      got += part.length;
      if (got >= data.length) resolve();
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`closed after ${got} of ${data.length} bytes`)));
  });
  for (let at = 0; at < data.length; at += piece) socket.write(data.subarray(at, at + piece));
  await done;
  socket.destroy();
  expect([got, echoed.digest("hex")]).toEqual([data.length, hash(data)]);
}

const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once("close", resolve));

describe("the echo server", () => {
  t(
    "sends everything back to many clients at once, and says what it did",
    async () => {
      await using server = await startExample("echo", "--port", "0", "--zero-copy-from", "8192");
      const port = portOf(server);
      let bytes = 0;
      await Promise.all(
        Array.from({ length: 200 }, (_, i) => {
          const data = pattern(1 + ((i * 7919) % 150_000), i);
          bytes += data.length;
          return exchange(port, data, 1 + ((i * 104729) % 40_000));
        }),
      );
      expect(await server.end("SIGINT")).toBe(0);
      const summary = await server.errors;
      const [, connections, total, zeroCopy, copied] =
        /echo: (\d+) connections, (\d+) bytes; (\d+) zero-copy sends, of which the kernel copied (\d+)/.exec(summary)!;
      expect([Number(connections), Number(total)]).toEqual([200, bytes]);
      expect(Number(zeroCopy)).toBeGreaterThan(0);
      expect(copied).toBe(zeroCopy!); // loopback
    },
    60_000,
  );

  t(
    "lets clients wait that are more than it serves at a time",
    async () => {
      await using server = await startExample("echo", "--port", "0", "--clients", "3", "--buffer", "1000");
      const port = portOf(server);
      await Promise.all(Array.from({ length: 30 }, (_, i) => exchange(port, pattern(5000 + i, i), 3000)));
      expect(await server.end("SIGTERM")).toBe(0);
      expect(await server.errors).toStartWith("echo: 30 connections");
    },
    60_000,
  );

  t("loses no buffer to clients that vanish", async () => {
    await using server = await startExample("echo", "--port", "0", "--clients", "2", "--buffer", "65536", "--zero-copy-from", "10000");
    const port = portOf(server);
    for (let i = 0; i < 40; i++) {
      const socket = await opened(port);
      socket.on("error", () => {});
      socket.write(pattern(i % 2 === 0 ? 100 : 200_000));
      socket.resetAndDestroy();
      await closed(socket);
    }
    await exchange(port, pattern(100_000), 10_000); // with a group of two buffers
    expect(await server.end("SIGINT")).toBe(0);
  });

  t("ends at once while clients are connected, whether they listen or not", async () => {
    await using server = await startExample("echo", "--port", "0", "--zero-copy-from", "1000");
    const port = portOf(server);
    const idle = await Promise.all(Array.from({ length: 10 }, () => opened(port)));
    const stalled = await opened(port);
    stalled.pause();
    stalled.write(pattern(8_000_000)); // more than both sockets hold: its answers go nowhere
    const gone = idle.map(closed);
    const since = performance.now();
    expect(await server.end("SIGINT")).toBe(0);
    expect(performance.now() - since).toBeLessThan(10_000);
    await Promise.all(gone);
    stalled.destroy();
  });

  t("listens on IPv6 as well", async () => {
    await using server = await startExample("echo", "--port", "0", "--host", "::1");
    expect(server.line).toStartWith("listening on [::1]:");
    const socket = await opened(portOf(server), "::1");
    const back = new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString())));
    socket.write("over IPv6");
    expect(await back).toBe("over IPv6");
    socket.destroy();
  });

  test("explains itself, and what is wrong with a command line", async () => {
    const help = await runExample("echo", "--help");
    expect([help.status, help.err]).toEqual([0, ""]);
    expect(help.out).toContain("--zero-copy-from");
    expect(help.out).toContain("over loopback the kernel copies all the same");
    for (const [args, words] of [
      [["--prot", "7"], "--prot"],
      [["--port", "70000"], "--port is '70000'; it must be a whole number from 0 to 65535"],
      [["--clients", "0"], "--clients is '0'"],
    ] as const) {
      const { status, err } = await runExample("echo", ...args);
      expect(status).toBe(2);
      expect(err).toContain(words);
      expect(err).toContain("Try: bun examples/echo/main.ts --help");
    }
    const { status, err } = await runExample("echo", "--host", "localhost", "--port", "0");
    expect([status, err.includes("'localhost' is no IP address")]).toEqual([1, true]);
  });
});
