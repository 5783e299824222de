import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { O_CREAT, O_DIRECT, O_RDWR, sys } from "uring-ublk/ffi";
import { ROOT } from "../support/child.ts";
import { isRoot, requires } from "../support/requires.ts";
import { pattern, TemporaryFolder } from "../uring/support/descriptors.ts";

const LIMIT = 30_000;

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function start(...args: string[]) {
  return Bun.spawn([process.execPath, "examples/cp/main.ts", ...args], { cwd: ROOT, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
}

async function cp(...args: string[]): Promise<Ended> {
  const child = start(...args);
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { status, out, err };
}

const sum = (path: string): string => new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");

/** A folder on the disk, where O_DIRECT means something. */
let folder: TemporaryFolder;
beforeAll(() => {
  folder = new TemporaryFolder("/var/tmp");
});
afterAll(() => folder[Symbol.dispose]());

function haveDirect(): boolean {
  using trial = new TemporaryFolder("/var/tmp");
  try {
    sys.close(sys.open(trial.file("a"), O_RDWR | O_CREAT | O_DIRECT));
    return true;
  } catch {
    return false;
  }
}

const CHUNK = 16384;
const DEPTH = 4;
const BUFFERS = CHUNK * DEPTH;
const SIZES = [0, 1, 511, 4095, 4096, 4097, CHUNK, CHUNK + 1, BUFFERS - 1, BUFFERS, BUFFERS + 1, 7 * BUFFERS + 12345];

describe("examples/cp", () => {
  const WAYS: readonly [name: string, t: typeof test, options: readonly string[]][] = [
    ["through the page cache", test, []],
    ["past the page cache", requires(haveDirect(), "the file system of /var/tmp has no O_DIRECT"), ["--direct", "--sync"]],
  ];
  for (const [way, t, options] of WAYS) {
    t(
      `copies files of every size ${way}, to the byte`,
      async () => {
        for (const size of SIZES) {
          const [from, to] = [folder.file(`from-${size}`), folder.file(`to-${size}-${options.length}`)];
          writeFileSync(from, pattern(size, size));
          const ended = await cp(from, to, "--chunk", String(CHUNK), "--depth", String(DEPTH), ...options);
          expect({ size, ...ended }).toEqual({ size, status: 0, out: "", err: "" });
          expect({ size: statSync(to).size, sum: sum(to) }).toEqual({ size, sum: sum(from) });
        }
      },
      LIMIT,
    );
  }

  test("keeps the permissions, and copies into a folder", async () => {
    const from = folder.file("script");
    writeFileSync(from, "#!/bin/sh\n");
    mkdirSync(folder.file("into"));
    for (const mode of [0o755, 0o400, 0o6711]) {
      chmodSync(from, mode);
      expect(await cp(from, folder.file("into"))).toEqual({ status: 0, out: "", err: "" });
      expect(statSync(folder.file("into/script")).mode & 0o7777).toBe(mode & 0o777);
    }
  });

  test("replaces a file that was there, whoever still reads it", async () => {
    const [from, to] = [folder.file("new"), folder.file("old")];
    writeFileSync(from, "new content");
    writeFileSync(to, "old content, which was longer");
    const reader = sys.open(to, 0);
    expect((await cp(from, to)).status).toBe(0);
    expect(readFileSync(to, "utf8")).toBe("new content");
    const old = new Uint8Array(3);
    sys.pread(reader, old, 0);
    expect(new TextDecoder().decode(old)).toBe("old");
    sys.close(reader);
  });

  test("tells how far it is when it is asked to", async () => {
    const from = folder.file("told");
    writeFileSync(from, pattern(100_000));
    const { status, err } = await cp(from, folder.file("told-to"), "--progress", "--chunk", "4k");
    expect(status).toBe(0);
    expect(err).toStartWith("0 % of 97.7 KiB");
    expect(err).toMatch(/^100 % of 97\.7 KiB, .*\/s$/m);
  });

  test("explains itself, and refuses bad options in one line and a hint", async () => {
    const { status, out, err } = await cp("--help");
    expect({ status, err }).toEqual({ status: 0, err: "" });
    for (const option of ["--chunk", "--depth", "--direct", "--sync", "--progress"]) expect(out).toContain(option);
    const bad = [[], ["a"], ["a", "b", "c"], ["a", "b", "--nonsense"], ["a", "b", "--chunk", "5000"], ["a", "b", "--chunk", "x"]];
    for (const words of [...bad, ["a", "b", "--chunk", "0"], ["a", "b", "--depth", "0"], ["a", "b", "--depth", "many"]]) {
      const ended = await cp(...words);
      expect({ words, status: ended.status, lines: ended.err.trim().split("\n").length }).toEqual({ words, status: 2, lines: 2 });
      expect(ended.err).toContain("cp/main.ts --help");
    }
  }, 30_000);

  test(
    "says in one line what cannot be copied, and leaves nothing behind",
    async () => {
      using here = new TemporaryFolder("/var/tmp");
      const from = here.file("from");
      writeFileSync(from, "content");
      symlinkSync("from", here.file("link"));
      mkdirSync(here.file("to"));
      mkdirSync(here.file("to/from"));
      const cases = [
        [here.file("missing"), here.file("x"), "cannot open"],
        [here.path, here.file("x"), "is a directory"],
        ["/dev/zero", here.file("x"), "is a character device"],
        [from, from, "are the same file"],
        [from, here.file("link"), "are the same file"],
        [from, here.file("no/such/folder"), "cannot create"],
        [from, here.file("to"), "is a directory; it is not replaced"],
        [from, "/dev/null", "is a character device"],
        ["/proc/version", here.file("x"), "has no size, and content all the same"],
      ] as const;
      for (const [source, destination, message] of cases) {
        const { status, out, err } = await cp(source, destination);
        expect({ message, status, out }).toEqual({ message, status: 1, out: "" });
        expect(err).toStartWith("cp: ");
        expect(err).toContain(message);
        expect(err.trim().split("\n").length).toBe(1);
      }
      expect(readdirSync(here.path).sort()).toEqual(["from", "link", "to"]);
    },
    LIMIT,
  );

  const full = requires(isRoot(), "needs root, to mount a small file system");
  full("refuses what there is no room for, before it has written anything", async () => {
    using here = new TemporaryFolder();
    const small = here.file("small");
    mkdirSync(small);
    await Bun.$`mount -t tmpfs -o size=1m none ${small}`.quiet();
    try {
      writeFileSync(here.file("large"), pattern(2 ** 21));
      const { status, err } = await cp(here.file("large"), small);
      expect(status).toBe(1);
      expect(err).toContain("there is no room for 2097152 bytes");
      expect(readdirSync(small)).toEqual([]);
    } finally {
      await Bun.$`umount ${small}`.quiet();
    }
  });

  /** Starts a copy that takes long, and waits until it is in the middle of it. */
  async function midway(here: TemporaryFolder) {
    const from = here.file("long");
    writeFileSync(from, "");
    truncateSync(from, 2 ** 28);
    const child = start(from, here.file("copy"), "--progress", "--chunk", "4k", "--depth", "2");
    const reader = child.stderr.getReader();
    const decoder = new TextDecoder();
    let err = decoder.decode((await reader.read()).value);
    expect(err).toStartWith("0 %");
    expect(readdirSync(here.path).some((name) => name.startsWith("copy.partial-"))).toBe(true);
    const rest = async (): Promise<string> => {
      for (let part = await reader.read(); !part.done; part = await reader.read()) err += decoder.decode(part.value);
      return err;
    };
    return { child, from, rest };
  }

  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    test(
      `leaves nothing behind when ${signal} stops it, and the old file as it was`,
      async () => {
        using here = new TemporaryFolder("/var/tmp");
        writeFileSync(here.file("copy"), "old");
        const { child, rest } = await midway(here);
        child.kill(signal);
        expect(await child.exited).toBe(status);
        expect(await rest()).not.toContain("100 %");
        expect(readdirSync(here.path).sort()).toEqual(["copy", "long"]);
        expect(readFileSync(here.file("copy"), "utf8")).toBe("old");
      },
      LIMIT,
    );
  }

  test(
    "leaves nothing behind when the source shrinks under it",
    async () => {
      using here = new TemporaryFolder("/var/tmp");
      const { child, from, rest } = await midway(here);
      truncateSync(from, 0);
      expect(await child.exited).toBe(1);
      expect(await rest()).toContain("cp: the source became shorter while it was copied");
      expect(existsSync(join(here.path, "copy"))).toBe(false);
      expect(readdirSync(here.path)).toEqual(["long"]);
    },
    LIMIT,
  );
});
