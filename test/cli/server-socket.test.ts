import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { askServer, listens, type Question } from "../../src/cli/ask-server.ts";
import type { Output } from "../../src/cli/output.ts";
import { socketOf, sockets } from "../../src/cli/server-path.ts";
import { type Servable, ServerSocket } from "../../src/cli/server-socket.ts";

const directory = mkdtempSync(join(tmpdir(), "uring-ublk-servers-"));
const before = process.env.URING_UBLK_STATE_DIR;
process.env.URING_UBLK_STATE_DIR = directory;
afterAll(() => {
  if (before === undefined) delete process.env.URING_UBLK_STATE_DIR;
  else process.env.URING_UBLK_STATE_DIR = before;
  rmSync(directory, { recursive: true, force: true });
});

const ID = 5;
const SECONDS = 20;
const said: string[] = [];
const output: Output = { data: () => {}, message: (text) => void said.push(text) };
let open: ServerSocket | undefined;

/** A disk's server that listens, but for what `disk` says of it. */
function server(disk: Partial<Servable> = {}): void {
  const refuse = async (): Promise<void> => {
    throw new Error("the target says no");
  };
  open = ServerSocket.open({ id: ID, resize: refuse, handOver: refuse, stop: refuse, ...disk }, output);
}

const ask = (question: Question, seconds = SECONDS): Promise<string> =>
  askServer(ID, process.pid, question, seconds).then(
    () => "done",
    (error: Error) => error.message,
  );

afterEach(async () => {
  await open?.close();
  open = undefined;
  said.length = 0;
});

describe("the server of a disk", () => {
  test("does what it is asked, and says so, or why not", async () => {
    const sizes: unknown[] = [];
    server({ resize: async (size) => void sizes.push(size) });
    expect(listens(ID, process.pid)).toBe(true);
    expect(await ask({ ask: "ping" })).toBe("done");
    expect(await Promise.all([ask({ ask: "resize", size: 4096 }), ask({ ask: "resize", size: 2 ** 40 })])).toEqual(["done", "done"]);
    expect(sizes).toHaveLength(2);
    expect(await ask({ ask: "hand-over" })).toBe("the target says no");
    expect(await ask({ ask: "dance" } as never)).toContain("another version");
  });

  test("answers what it was asked before it ends, and leaves no socket", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    server({ stop: () => promise });
    const answer = ask({ ask: "stop", ifUnused: true });
    await ask({ ask: "ping" });
    const closed = open!.close();
    resolve();
    await closed;
    expect(await answer).toBe("done");
    expect(sockets()).toEqual([]);
  });

  test("that hangs is told apart, within the limit, and the connection is given up", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    server({ resize: () => promise });
    expect(await ask({ ask: "resize", size: 1 }, 0.2)).toBe(
      `the server of device ${ID}, process ${process.pid}, did not answer within 0.2 s: it is busy, or it hangs`,
    );
    resolve();
  });

  test("that ended without an answer, or was killed before, is told apart", async () => {
    const listener = Bun.listen({ unix: socketOf(ID, process.pid), socket: { data: (socket) => void socket.end() } });
    expect(await ask({ ask: "ping" })).toContain("ended before it had answered");
    listener.stop(true);
    writeFileSync(socketOf(ID, process.pid), "");
    expect(await ask({ ask: "ping" })).toContain("cannot be reached: it has just ended");
    server(); // what a killed server has left is no obstacle
    expect(await ask({ ask: "ping" })).toBe("done");
  });

  test("is reached by its owner only", () => {
    server();
    expect(statSync(dirname(socketOf(ID, process.pid))).mode & 0o777).toBe(0o700);
    expect(statSync(socketOf(ID, process.pid)).mode & 0o777).toBe(0o600);
  });

  test("serves without a socket where the directory is open to others, and says so", () => {
    const folder = dirname(socketOf(ID, process.pid));
    chmodSync(folder, 0o755);
    server();
    chmodSync(folder, 0o700);
    expect([open, existsSync(socketOf(ID, process.pid))]).toEqual([undefined, false]);
    expect(said).toEqual([
      `resize, quiesce and stop cannot reach this server: ${folder} is open to others; it must be its owner's alone (mode 0700)`,
    ]);
  });

  test("does not listen to nonsense", async () => {
    server();
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = await Bun.connect({ unix: socketOf(ID, process.pid), socket: { data: (_, bytes) => resolve(bytes.toString()) } });
    socket.write("x".repeat(5000));
    expect(JSON.parse(await promise)).toEqual({ error: expect.any(String) });
    socket.end();
  });
});
