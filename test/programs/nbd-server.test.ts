/** The NBD server of the examples, and the client's half of the protocol in src/targets/nbd: nothing of this needs ublk. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nbd } from "uring-ublk/targets";
import { negotiate, type Wire } from "../../src/targets/nbd/dial.ts";
import {
  Command,
  decodeReply,
  type Export,
  encodeRequest,
  FLAG_FUA,
  FLAG_NO_HOLE,
  NbdProtocolError,
} from "../../src/targets/nbd/protocol.ts";
import { type Program, runExample, startExample } from "../examples/program.ts";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { receiver } from "../targets/support/nbd-server.ts";

const t = requires(kernelAtLeast("6.11"), "bind and listen need Linux 6.11");
const LIMIT = 60_000;

const bytes = (...parts: (string | number[])[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
const wide = (n: number): number[] => [0, 0, 0, 0, n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255];
const word = (n: number): number[] => wide(n).slice(4);

const GREETING = bytes("NBDMAGIC", "IHAVEOPT", [0, 3]);
const answer = (type: number[], data: number[] | string = [], option = 7): Uint8Array<ArrayBuffer> =>
  bytes([0, 3, 0xe8, 0x89, 4, 0x55, 0x65, 0xa9], word(option), type, word(Buffer.from(data as string).length), data);
const INFO = answer(word(3), [0, 0, ...wide(1 << 20), 1, 0x2d]);
const ACK = answer(word(1));

/** A server that has said all of it beforehand; answers what the client made of it, and what it sent. */
async function said(...parts: Uint8Array[]): Promise<{ found: Export | string; sent: Buffer }> {
  let left = Buffer.concat(parts);
  const sent: Uint8Array[] = [];
  const wire: Wire = {
    send: async (part) => void sent.push(part),
    async receive(length) {
      if (left.length < length) throw new Error("over");
      const part = new Uint8Array(left.subarray(0, length));
      left = left.subarray(length);
      return part;
    },
  };
  const found = await negotiate(wire, "a disk").catch((error: Error) => `${error instanceof NbdProtocolError}: ${error.message}`);
  return { found, sent: Buffer.concat(sent) };
}

describe("the client's negotiation", () => {
  test("is the greeting's answer and NBD_OPT_GO, and takes what it is told", async () => {
    const { found, sent } = await said(GREETING, INFO, answer(word(3), [0, 9, 1, 2, 3]), ACK);
    expect(found).toEqual({ size: 1 << 20, flags: 0x12d, smallest: 1, largest: 32 * 2 ** 20 });
    expect(sent).toEqual(Buffer.from(bytes([0, 0, 0, 3], "IHAVEOPT", word(7), word(14), word(6), "a disk", [0, 1, 0, 3])));
    const sizes = answer(word(3), [0, 3, ...word(4096), ...word(65536), ...word(1 << 20)]);
    expect((await said(GREETING, sizes, INFO, ACK)).found).toMatchObject({ smallest: 4096, largest: 1 << 20 });
  });

  test("tells what is wrong with a server", async () => {
    const cases: [string, Uint8Array[]][] = [
      ["true: it sends 0x48545450 0x2f312e31 where NBDMAGIC should be", [bytes("HTTP/1.1 400 Bad Request")]],
      ["true: it sends 0x00004202 0x81861253 where IHAVEOPT", [bytes("NBDMAGIC", [0, 0, 0x42, 2, 0x81, 0x86, 0x12, 0x53], [0, 0])]],
      ["true: it does not speak the fixed newstyle", [bytes("NBDMAGIC", "IHAVEOPT", [0, 2])]],
      ["true: it does not say how large", [GREETING, ACK]],
      ["true: it replies to option 3", [GREETING, answer(word(1), [], 3)]],
      ["true: it sends a reply of 5000 bytes", [GREETING, answer(word(3), new Array<number>(5000).fill(0))]],
      ["true: it replies to NBD_OPT_GO with type 2", [GREETING, answer(word(2))]],
      ["true: it has sent 64 replies", [GREETING, ...new Array<Uint8Array>(70).fill(INFO)]],
      ["true: it tells of the export with 3 bytes", [GREETING, answer(word(3), [0, 0, 1])]],
      ["true: it takes requests from 3 to", [GREETING, INFO, answer(word(3), [0, 3, ...word(3), ...word(4096), ...word(65536)]), ACK]],
      ['false: it has no such export: "no \\ name"'.replace("\\ ", ""), [GREETING, answer([0x80, 0, 0, 6], "no name")]],
      ["false: it insists on TLS", [GREETING, answer([0x80, 0, 0, 5])]],
      ["false: it refuses with error 77", [GREETING, answer([0x80, 0, 0, 77])]],
    ];
    for (const [message, parts] of cases) expect((await said(...parts)).found).toStartWith(message);
  });

  test("refuses options that are none, and names what is right", async () => {
    const open = async (options: unknown) => (nbd as (options: unknown) => { open(o: undefined): unknown })(options).open(undefined);
    const bad: [unknown, string][] = [
      [undefined, "nbd: host is missing"],
      [{ host: "" }, "nbd: host is ''"],
      [{ hots: "a" }, "nbd: there is no option 'hots'; did you mean 'host'?"],
      [{ host: "a", port: 0 }, "nbd: port is 0; it must be an integer from 1 to 65535"],
      [{ host: "a", export: 7 }, "nbd: export is 7; it must be text"],
      [{ host: "a", export: "x".repeat(5000) }, "nbd: export has 5000 bytes"],
      [{ host: "a", readOnly: 1 }, "nbd: readOnly is 1"],
      [{ host: "a", timeoutMs: 0 }, "nbd: timeoutMs is 0"],
    ];
    for (const [options, message] of bad) await expect(open(options)).rejects.toThrow(message);
  });
});

describe("examples/nbd-server", () => {
  const directory = mkdtempSync(join(tmpdir(), "nbd-server-"));
  const file = join(directory, "image");
  let server: Program;
  const portOf = ({ line }: Program): number => Number(/:(\d+)$/.exec(line)![1]);

  beforeAll(async () => {
    if (!kernelAtLeast("6.11")) return;
    writeFileSync(file, Buffer.alloc(1 << 20, 0x11));
    server = await startExample("nbd-server", "--file", file, "--port", "0", "--clients", "2");
  });
  afterAll(async () => {
    if (server !== undefined) await server[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  /** A client that has negotiated, or does that itself. */
  async function connected(port = portOf(server)): Promise<Wire & { socket: Socket } & Disposable> {
    const socket = connect(port, "127.0.0.1");
    const receive = receiver(socket);
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return { socket, receive, send: async (part) => void socket.write(part), [Symbol.dispose]: () => socket.destroy() };
  }

  /** Sends a request; answers the error of the reply. */
  async function ask(wire: Wire, command: number, offset: number, length: number, flags = 0, data?: Uint8Array): Promise<number> {
    const head = new Uint8Array(28);
    encodeRequest(new DataView(head.buffer), 0, { command, flags, cookie: offset + 1, offset, length });
    await wire.send(head);
    if (data !== undefined) await wire.send(new Uint8Array(data));
    const { cookie, error } = decodeReply(new DataView((await wire.receive(16)).buffer));
    expect(cookie).toBe(offset + 1);
    return error;
  }

  t(
    "reads, writes, clears, and says what it cannot do",
    async () => {
      using wire = await connected();
      expect(await negotiate(wire, "")).toEqual({ size: 1 << 20, flags: 0x16d, smallest: 1, largest: 1 << 20 });
      expect(await ask(wire, Command.WRITE, 100, 5000, FLAG_FUA, new Uint8Array(5000).fill(0x22))).toBe(0);
      expect(await ask(wire, Command.READ, 99, 5002)).toBe(0);
      const read = await wire.receive(5002);
      expect([read[0], read[1], read[5000], read[5001]]).toEqual([0x11, 0x22, 0x22, 0x11]);
      expect(await ask(wire, Command.WRITE_ZEROES, 8192, 8192)).toBe(0);
      expect(await ask(wire, Command.WRITE_ZEROES, 20000, 3, FLAG_NO_HOLE | FLAG_FUA)).toBe(0);
      expect(await ask(wire, Command.TRIM, 32768, 4096)).toBe(0);
      expect(await ask(wire, Command.FLUSH, 0, 0)).toBe(0);
      const image = readFileSync(file);
      expect([...image.subarray(19999, 20004)]).toEqual([0x11, 0, 0, 0, 0x11]);
      expect(image.subarray(8192, 16384).every((byte) => byte === 0)).toBe(true);
      const ENOSPC = 28;
      const EINVAL = 22;
      expect(await ask(wire, Command.WRITE, (1 << 20) - 1, 2, 0, new Uint8Array(2))).toBe(ENOSPC);
      expect(await ask(wire, Command.READ, (1 << 20) - 1, 2)).toBe(EINVAL);
      expect(await ask(wire, Command.READ, 0, 0)).toBe(EINVAL);
      expect(await ask(wire, Command.READ, 0, 512, 128)).toBe(EINVAL);
      expect(await ask(wire, 17, 0, 512)).toBe(EINVAL);
    },
    LIMIT,
  );

  t(
    "answers options: a list, what it does not know, the oldest form; and closes on what is no NBD",
    async () => {
      const option = (number: number, data: number[] | string = []): Uint8Array<ArrayBuffer> =>
        bytes("IHAVEOPT", word(number), word(data.length), data);
      {
        using wire = await connected();
        await wire.receive(18);
        await wire.send(bytes([0, 0, 0, 1], option(3) as never, option(99, [1, 2]) as never, option(1) as never));
        expect(Buffer.from(await wire.receive(24 + 20 + 20))).toEqual(
          Buffer.concat([answer(word(2), [0, 0, 0, 0], 3), answer(word(1), [], 3), answer([0x80, 0, 0, 1], [], 99)]),
        );
        expect(Buffer.from(await wire.receive(134)).subarray(0, 10)).toEqual(Buffer.from([...wide(1 << 20), 1, 0x6d]));
        expect(await ask(wire, Command.READ, 0, 512)).toBe(0);
      }
      for (const nonsense of [bytes("GET / HTTP/1.1\r\n\r\n"), bytes([0, 0, 0, 3], "GET / HTTP/1.1\r\n\r\n")]) {
        using wire = await connected();
        await wire.send(nonsense);
        await wire.receive(18);
        await expect(wire.receive(1)).rejects.toThrow("the connection is over");
      }
    },
    LIMIT,
  );

  t(
    "takes many requests at a time, two clients at a time, and ends in order",
    async () => {
      const wires = await Promise.all([connected(), connected()]);
      for (const wire of wires) await negotiate(wire, "");
      using third = await connected(); // waits
      const waiting = third.receive(18);
      const heads = new Uint8Array(28 * 100);
      const view = new DataView(heads.buffer);
      for (let i = 0; i < 100; i++)
        encodeRequest(view, i * 28, { command: Command.READ, flags: 0, cookie: i, offset: i * 512, length: 512 });
      const seen = new Set<number>();
      for (const wire of wires) {
        await wire.send(heads);
        for (let i = 0; i < 100; i++) {
          seen.add(decodeReply(new DataView((await wire.receive(16)).buffer)).cookie);
          await wire.receive(512);
        }
      }
      expect(seen.size).toBe(100);
      for (const wire of wires) wire[Symbol.dispose]();
      expect((await waiting).length).toBe(18);
      expect(await server.end("SIGINT")).toBe(0);
      expect(await server.errors).toMatch(/nbd-server: \d+ connections, \d+ requests/);
    },
    LIMIT,
  );

  test(
    "says what is wrong with its arguments",
    async () => {
      const help = await runExample("nbd-server", "--help");
      expect(help).toMatchObject({ status: 0, err: "" });
      for (const [args, message] of [
        [[], "--file is missing"],
        [["--file", "/x", "--port", "many"], "--port is 'many'"],
        [["--file", "/no/such/file"], "ENOENT"],
        [["--file", "/dev"], "EISDIR"],
      ] as const) {
        const { status, err } = await runExample("nbd-server", ...args);
        expect(status).toBeGreaterThan(0);
        expect(err).toContain(message);
        expect(err).not.toContain("    at ");
      }
    },
    LIMIT,
  );
});
