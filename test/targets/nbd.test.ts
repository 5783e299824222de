// usual kernels: none
// file timeout: 900 s
/** The disk over TCP: every byte arrives at the server and comes back, and whatever the server does, no client waits for ever. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serve, type UblkDevice } from "uring-ublk";
import { nbd } from "uring-ublk/targets";
import type { RequestErrorEvent } from "uring-ublk/ublk";
import { Command, reply } from "../../examples/nbd-server/protocol.ts";
import { type Program, startExample } from "../examples/program.ts";
import { failure, fileSystemRoundTrip, sh, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, ublkTest } from "../support/requires.ts";
import { client } from "../ublk/support/client.ts";
import { fioToItsEnd } from "../ublk/support/fio.ts";
import { devices, stuckProcesses, until } from "../ublk/support/machine.ts";
import { type Behaviour, toldServer } from "./support/nbd-server.ts";
import { LARGE, ROWS, serveThere, testIn, verified } from "./support/several.ts";

setDefaultTimeout(240_000); // an emulated machine, and neighbours
const MIB = 2 ** 20;
/** Where no probe of a new disk looks. */
const ODD = 2 * MIB + 12288;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

const portOf = ({ line }: Program): number => Number(/:(\d+)$/.exec(line)![1]);
const hashOf = (path: string): string => Bun.hash(readFileSync(path)).toString(16);

/** The example's server, with a file of so many mebibytes. */
async function serverOf(mebibytes: number, ...args: string[]) {
  const directory = await workDirectory("/dev/shm");
  const file = join(directory.path, "image");
  writeFileSync(file, "");
  truncateSync(file, mebibytes * MIB);
  const server = await startExample("nbd-server", "--file", file, "--port", "0", ...args);
  return {
    directory: directory.path,
    file,
    server,
    port: portOf(server),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

function errorsOf(disk: UblkDevice): string[] {
  const errors: string[] = [];
  disk.on("requesterror", ({ error }: RequestErrorEvent) => void errors.push(String(error)));
  return errors;
}

/** In the usual run one of the rows. */
const USUAL = ["copy the calling thread"];

for (const [mode, where] of ROWS) {
  testIn(mode, USUAL.includes(`${mode} ${where}`))(
    `${mode}, ${where}: fio finds what it wrote, and the server's file is the disk`,
    async () => {
      await using there = await serverOf(8);
      const options = { host: "127.0.0.1", port: there.port };
      await using disk = await serveThere(nbd, options, where, { mode, depth: 32, maxIo: "1 MiB" });
      expect({ mode: disk.mode, size: disk.params?.size }).toEqual({ mode, size: 8 * MIB });
      await sh(LARGE, disk.path);
      expect(await verified(disk.path, "2m", "1m")).toBe(true);
      await sh(`blkdiscard -o 1M -l 512k "$1"; blkdiscard -z -o 3M -l 1M "$1"`, disk.path);
      await sh(`dd if="$1" of="$2/disk" bs=1M iflag=direct status=none; cmp -n 1M -i 3M:0 "$1" /dev/zero`, disk.path, there.directory);
      await disk.stop();
      expect(hashOf(there.file)).toBe(hashOf(join(there.directory, "disk")));
      expect(await there.server.end("SIGINT")).toBe(0);
      expect(await there.server.errors).toMatch(/^nbd-server: [23] connections, \d{3,} requests/);
    },
  );
}

ublkTest(false)("a file system over TCP holds what was put into it, and an export that may only be read is only read", async () => {
  await using there = await serverOf(64, "--export", "the disk");
  const options = { host: "localhost", port: there.port, export: "the disk" };
  await using disk = await serve(nbd(options));
  const { read, expected } = await fileSystemRoundTrip(disk.path, "ext4");
  expect(read).toBe(expected);
  await disk.stop();
  await there.server.end("SIGINT");

  await using reader = await startExample("nbd-server", "--file", there.file, "--port", "0", "--read-only");
  await using same = await serve(nbd({ host: "127.0.0.1", port: portOf(reader) }));
  expect(await sh(`blockdev --getro "$1"; cmp "$1" "$2" && echo equal`, same.path, there.file)).toBe("1\nequal");
});

/** Writes and reads of all sizes, in a process that ends when it gets an error. */
const busy = (path: string): Promise<number | undefined> =>
  fioToItsEnd(path, { rw: "randrw", bsrange: "512-256k", blockalign: 512, size: "6m", iodepth: 32, time_based: 1, runtime: 100 }, 150_000);

for (const [usual, where, mode] of [
  [false, "two Workers", "auto-buf-reg"],
  [false, "the calling thread", "copy"],
] as const) {
  testIn(mode, usual)(`${mode}, ${where}: a server that dies fails what is under way, and one that comes again is found`, async () => {
    await using there = await serverOf(8);
    const options = { host: "127.0.0.1", port: there.port, timeoutMs: 60_000 };
    await using disk = await serveThere(nbd, options, where, { mode, depth: 32, maxIo: "1 MiB" });
    const errors = errorsOf(disk);
    await sh("udevadm settle");
    const empty = hashOf(there.file);
    const load = busy(disk.path);
    await until(() => hashOf(there.file) !== empty, "something written", 60_000);
    process.kill(there.server.pid, "SIGKILL");
    await until(() => errors.length > 0, "told", 60_000);
    expect(await load).toBe(1);
    // This one waits for the next connection.
    const late = sh(`head -c 4096 /dev/zero | tr "\\0" Z | dd of="$1" bs=4k seek=${ODD / 4096} oflag=direct status=none`, disk.path);
    await using again = await startExample("nbd-server", "--file", there.file, "--port", String(there.port));
    await late;
    expect(readFileSync(there.file).subarray(ODD, ODD + 4096)).toEqual(Buffer.alloc(4096, 0x5a));
    const queues = where === "two Workers" ? 2 : 1;
    expect(errors.length).toBeLessThanOrEqual(queues);
    expect(errors[0]).toMatch(
      /nbd: server '127.0.0.1:\d+': EIO \((the server has closed the connection|.*ECONNRESET|.*EPIPE).*connects again/,
    );
    await disk.stop();
    expect(await again.end("SIGINT")).toBe(0);
  });
}

testIn("auto-buf-reg", false)(
  "a server that says nothing any more fails requests when the time is over, and gets their data back",
  async () => {
    await using there = await serverOf(8);
    const options = { host: "127.0.0.1", port: there.port, timeoutMs: 10_000 };
    await using disk = await serve(nbd(options), { mode: "auto-buf-reg", depth: 32, maxIo: "1 MiB" });
    const errors = errorsOf(disk);
    await sh(`udevadm settle; ${LARGE}`, disk.path);
    process.kill(there.server.pid, "SIGSTOP");
    const size = 4 * MIB; // more than the socket takes
    expect(await failure(`dd if=/dev/zero of="$1" bs=${size} count=1 oflag=direct`, disk.path)).toContain("Input/output error");
    expect(errors[0]).toMatch(/the server has not answered within 10000 ms/);
    process.kill(there.server.pid, "SIGCONT");
    expect(await client(disk.path, [{ do: "write", offset: ODD, length: 4096, fill: 7 }])).toEqual([{ bytes: 4096 }]);
    process.kill(there.server.pid, "SIGSTOP");
    const stopping = failure(`dd if=/dev/zero of="$1" bs=${size} count=1 oflag=direct`, disk.path);
    await Bun.sleep(500);
    await disk.stop({ grace: 100 });
    await stopping;
    process.kill(there.server.pid, "SIGCONT");
  },
);

/** Answers as it should, until it is to be bad; what it then sends is the test's. */
const good = async (next: Parameters<Behaviour>[0], socket: Parameters<Behaviour>[1], bad: (cookie: bigint) => Uint8Array | undefined) => {
  for (;;) {
    const { command, cookie, length, offset } = await next();
    const nonsense = command === Command.READ && offset === ODD ? bad(cookie) : undefined;
    if (nonsense === undefined) {
      socket.write(reply(cookie, 0));
      if (command === Command.READ) socket.write(new Uint8Array(length));
    } else socket.write(nonsense);
  }
};

ublkTest(false)("what is no answer is told of, fails what is under way, and later requests are served", async () => {
  const nonsense: [RegExp, (cookie: bigint) => Uint8Array][] = [
    [/it sends 0x48545450 where a reply should begin/, () => new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")],
    [/it replies to request 4096, which waits for none/, () => reply(4096n, 0)],
  ];
  let worst: ((cookie: bigint) => Uint8Array) | undefined;
  await using server = await toldServer((next, socket) => good(next, socket, (cookie) => worst?.(cookie)));
  await using disk = await serve(nbd({ host: "127.0.0.1", port: server.port, timeoutMs: 60_000 }));
  const errors = errorsOf(disk);
  await sh("udevadm settle");
  const read = { do: "read", offset: ODD, length: 4096 } as const;
  for (const [message, bytes] of nonsense) {
    worst = bytes;
    expect(await client(disk.path, [read])).toEqual([{ code: "EIO" }]);
    worst = undefined;
    expect(await client(disk.path, [read])).toMatchObject([{ bytes: 4096 }]);
    expect(errors.splice(0)).toEqual([expect.stringMatching(message)]);
  }
  // An error of the server's is that request's alone.
  worst = (cookie) => reply(cookie, 28);
  expect(await client(disk.path, [read])).toEqual([{ code: "ENOSPC" }]);
  expect(errors).toEqual([]);
});
