import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cli, PROGRAM } from "../support/cli.ts";
import { haveUblk, requires } from "../support/requires.ts";

// A module is loaded before the driver is asked for anything: starts can be given up on every machine.
const folder = mkdtempSync(join(tmpdir(), "uring-ublk-background-"));
const logs = join(folder, "logs");
const slow = join(folder, "slow.ts");
const go = join(folder, "go");

beforeAll(() => {
  process.env.URING_UBLK_LOG_DIR = logs;
  const wait = `while (!existsSync(${JSON.stringify(go)})) await Bun.sleep(10);`;
  writeFileSync(slow, `import { existsSync } from "node:fs";\n${wait}\nconsole.error("loaded");\nprocess.exit(7);\n`);
});
afterEach(() => rmSync(go, { force: true }));
afterAll(() => {
  delete process.env.URING_UBLK_LOG_DIR;
  rmSync(folder, { recursive: true, force: true });
});

/** Servers in the background that load the slow module. */
function servers(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return words.includes("--in-background") && words.includes(slow);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(10);
}

const begun = (...words: string[]): Bun.Subprocess =>
  Bun.spawn([process.execPath, PROGRAM, "add", slow, ...words], { stdio: ["ignore", "ignore", "ignore"], env: process.env });

const left = (): string[] => readdirSync(logs);

describe("a start in the background", () => {
  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("that is given up by %s ends the server, and leaves nothing", async (signal) => {
    const child = begun();
    await until(() => servers().length > 0);
    child.kill(signal);
    expect(await child.exited).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
    expect([servers(), left()]).toEqual([[], []]);
  });

  test("whose caller is killed hard ends by itself, and its log goes with the next start", async () => {
    const child = begun();
    await until(() => servers().length > 0);
    child.kill("SIGKILL");
    await child.exited;
    await until(() => servers().length === 0);
    writeFileSync(go, "");
    await cli("add", slow);
    expect(left()).toEqual([]);
  });

  test("that takes too long is ended, and says so", async () => {
    const { status, stderr } = await cli("add", slow, "--timeout", "1");
    expect([status, stderr]).toEqual([1, "uring-ublk: the server did not start within 1 s, and was ended; --timeout gives it more\n"]);
    expect([servers(), left()]).toEqual([[], []]);
  });

  test("that ends without a word shows what it has written; a log that was named stays", async () => {
    writeFileSync(go, "");
    const log = join(folder, "named.log");
    const { status, stderr } = await cli("add", slow, "--log", log);
    expect([status, stderr]).toEqual([1, "uring-ublk: the server ended before its disk was there (status 7); it wrote:\nloaded\n"]);
    expect(readFileSync(log, "utf8")).toBe("loaded\n");
    expect(left()).toEqual([]);
  });

  test("has nothing of the caller's open, and a session of its own", async () => {
    const own = join(folder, "own.txt");
    const script = 'exec 7>"$0" 8</etc/passwd; "$@" & wait';
    const shell = Bun.spawn(["bash", "-c", script, own, process.execPath, PROGRAM, "add", slow], {
      stdio: ["ignore", "pipe", "pipe"],
      env: process.env,
    });
    await until(() => servers().length > 0);
    const [pid] = servers() as [number];
    await until(() => readlinkSync(`/proc/${pid}/exe`) === process.execPath);
    const files = readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return "";
      }
    });
    const session = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[3];
    writeFileSync(go, "");
    await shell.exited;
    expect(files.filter((file) => file === own || file === "/etc/passwd")).toEqual([]);
    expect(files.filter((file) => file.startsWith("pipe:"))).toHaveLength(1); // where it says that it serves
    expect(session).toBe(String(pid));
  });

  test("whose log cannot be written is refused", async () => {
    mkdirSync(join(folder, "taken"), { recursive: true });
    const { status, stderr } = await cli("add", "null", "--log", join(folder, "taken"));
    expect([status, stderr]).toEqual([1, expect.stringContaining("the log cannot be written")]);
  });

  requires(!haveUblk(), "this machine has ublk")("says what the server says where there is no ublk", async () => {
    const { status, stdout, stderr } = await cli("add", "memory", "--size", "1MiB");
    expect([status, stdout, stderr]).toEqual([1, "", expect.stringContaining("uring-ublk: the ublk driver is not loaded")]);
    expect(left()).toEqual([]);
  });
});
