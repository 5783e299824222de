import { describe, expect, test } from "bun:test";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { type Program, runExample, startExample } from "../examples/program.ts";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { pattern } from "../uring/support/descriptors.ts";

const t = requires(kernelAtLeast("6.11"), "bind needs Linux 6.11");

const portOf = ({ line }: Program): number => Number(/:(\d+)$/.exec(line)![1]);

function bound(port = 0): Promise<Socket> {
  const socket = createSocket("udp4");
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, "127.0.0.1", () => resolve(socket));
  });
}

/** A server that answers with what it got, turned round. */
async function mirror(port = 0): Promise<{ port: number; peers: Set<number> } & Disposable> {
  const socket = await bound(port);
  const peers = new Set<number>();
  socket.on("message", (data: Buffer, from: RemoteInfo) => {
    peers.add(from.port);
    socket.send(data.reverse(), from.port, from.address);
  });
  return { port: socket.address().port, peers, [Symbol.dispose]: () => void socket.close() };
}

/** Sends a datagram and waits for the answer. */
function ask(socket: Socket, port: number, data: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const impatient = setTimeout(() => reject(new Error("no answer")), 5000);
    socket.once("message", (answer: Buffer) => {
      clearTimeout(impatient);
      resolve(answer);
    });
    socket.send(data, port, "127.0.0.1");
  });
}

async function talk(socket: Socket, port: number, rounds: number, seed: number): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    const data = pattern((seed * 977 + i * 3571) % 1400, seed + i); // sometimes nothing at all
    expect(Buffer.compare(await ask(socket, port, data), Buffer.from(data).reverse())).toBe(0);
  }
}

describe("the relay", () => {
  t(
    "carries datagrams there and back, each client's to itself",
    async () => {
      using server = await mirror();
      await using relay = await startExample("relay", "--port", "0", "--to", `127.0.0.1:${server.port}`);
      const clients = await Promise.all(Array.from({ length: 30 }, () => bound()));
      await Promise.all(clients.map((client, i) => talk(client, portOf(relay), 20, i)));
      expect(server.peers.size).toBe(30); // each with a socket of its own
      expect(await ask(clients[0]!, portOf(relay), new Uint8Array(0))).toEqual(Buffer.alloc(0));
      for (const client of clients) client.close();
      expect(await relay.end("SIGINT")).toBe(0);
      expect(await relay.errors).toStartWith("relay: 30 clients, 601 datagrams there, 601 back");
    },
    60_000,
  );

  t("carries large datagrams whole", async () => {
    using server = await mirror();
    await using relay = await startExample("relay", "--port", "0", "--to", `127.0.0.1:${server.port}`);
    const client = await bound();
    for (const length of [1473, 30_000, 65_507]) {
      const data = pattern(length);
      expect(Buffer.compare(await ask(client, portOf(relay), data), Buffer.from(data).reverse())).toBe(0);
    }
    client.close();
    expect(await relay.end("SIGINT")).toBe(0);
  });

  t("makes room for new clients", async () => {
    using server = await mirror();
    await using relay = await startExample("relay", "--port", "0", "--to", `127.0.0.1:${server.port}`, "--clients", "3");
    const clients = await Promise.all(Array.from({ length: 12 }, () => bound()));
    for (let round = 0; round < 3; round++) for (const [i, client] of clients.entries()) await talk(client, portOf(relay), 1, i + round);
    for (const client of clients) client.close();
    expect(await relay.end("SIGTERM")).toBe(0);
    expect(await relay.errors).toStartWith("relay: 36 clients, 36 datagrams there, 36 back");
  });

  t("survives a server that is not there, and finds it when it comes", async () => {
    const spare = await bound();
    const { port } = spare.address();
    await new Promise<void>((resolve) => spare.close(resolve));
    await using relay = await startExample("relay", "--port", "0", "--to", `127.0.0.1:${port}`);
    const client = await bound();
    for (let i = 0; i < 5; i++) {
      client.send("into the void", portOf(relay), "127.0.0.1");
      await Bun.sleep(2);
    }
    using _server = await mirror(port);
    // The first ones may meet the refusal of those before, or answers to them.
    const answered = new Promise<void>((resolve) => client.on("message", (answer) => answer.toString() === "cba" && resolve()));
    const asking = setInterval(() => client.send("abc", portOf(relay), "127.0.0.1"), 20);
    await answered;
    clearInterval(asking);
    client.close();
    expect(await relay.end("SIGINT")).toBe(0);
  });

  test("explains itself, and what is wrong with a command line", async () => {
    const help = await runExample("relay", "--help");
    expect([help.status, help.err]).toEqual([0, ""]);
    expect(help.out).toContain("recvmsgMultishot");
    for (const [args, words] of [
      [[], "--to is missing"],
      [["--to", "nowhere"], "--to is 'nowhere'; it must be an IP address and a port"],
      [["--to", "127.0.0.1:1", "extra"], "extra"],
    ] as const) {
      const { status, err } = await runExample("relay", ...args);
      expect(status).toBe(2);
      expect(err).toContain(words);
    }
  });
});
