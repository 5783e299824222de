// file timeout: 1200 s
// usual kernels: the newest
import { describe, expect } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deviceIds } from "uring-ublk/ublk";
import { cli, PROGRAM } from "../support/cli.ts";
import { kernelAtLeast, ublkTest } from "../support/requires.ts";
import { added, aroundServers, begun, ended, folder, json, logs, nothingLeft, stateOf } from "./support.ts";

aroundServers();

const wait = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await Bun.sleep(10);
};

/** Processes whose command line has a text. */
const processesWith = (text: string): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);

const openFiles = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });

describe("uring-ublk add", () => {
  ublkTest(true)("makes a disk that can be opened, by a server of which one process is all there is", async () => {
    const own = join(folder, "own.txt");
    const script = 'exec 7>"$0" 8</etc/passwd; exec "$@"';
    const words = ["add", "memory", "--size", "64MiB", "--max-size", "128MiB", "--queues", "2", "--depth", "8"];
    const shell = Bun.spawn(["bash", "-c", script, own, process.execPath, PROGRAM, ...words], {
      stdout: "pipe",
      stderr: "pipe",
      env: process.env,
    });
    const [line, said, status] = await Promise.all([new Response(shell.stdout).text(), new Response(shell.stderr).text(), shell.exited]);
    expect([status, line]).toEqual([0, expect.stringMatching(/^\/dev\/ublkb\d+ \d+ \d+\n$/)]);
    const [path = "", id = 0, pid = 0] = line
      .trim()
      .split(" ")
      .map((word, at) => (at === 0 ? word : Number(word))) as [string, number, number];
    expect(said).toBe(`uring-ublk: process ${pid} serves ${path}; its log is ${join(logs, `ublkb${id}.log`)}\n`);

    // Nothing of the caller's: not its files, its pipes, its directory, nor its session.
    const files = openFiles(pid);
    expect(files.filter((file) => file === own || file === "/etc/passwd" || file.startsWith("pipe:"))).toEqual([]);
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
    expect(readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[5]).toBe(String(pid));

    const dd = Bun.spawnSync(["dd", "if=/dev/urandom", `of=${path}`, "bs=64k", "count=16", "oflag=direct"]);
    expect(dd.exitCode).toBe(0);
    expect(await json("info", String(id))).toMatchObject({
      id,
      pid,
      state: "live",
      alive: true,
      queues: 2,
      depth: 8,
      size: 64 * 2 ** 20,
      canBeAsked: true,
      recovery: "none",
    });
    process.kill(pid, "SIGTERM");
    await ended(pid);
    nothingLeft();
  });

  ublkTest(false)("makes a disk that is counted, and can have another size", async () => {
    const { id, path, pid } = await added("memory", "--size", "64MiB", "--max-size", "128MiB");
    expect(Bun.spawnSync(["dd", "if=/dev/urandom", `of=${path}`, "bs=64k", "count=16", "oflag=direct"]).exitCode).toBe(0);
    const [counted] = await json<{ ops: { write: { requests: number; bytes: number } } }[]>("stats", String(id));
    expect(counted!.ops.write).toMatchObject({ requests: 16, bytes: 2 ** 20 });
    const watched = await cli("stats", "--watch", "--count", "2", "--json");
    expect(
      watched.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)[0].id),
    ).toEqual([id, id]);
    expect((await json<{ cpus: number[] }[]>("affinity", path)).flatMap(({ cpus }) => cpus)).toContain(0);
    if (kernelAtLeast("6.16")) {
      expect(await json("resize", String(id), "128MiB")).toEqual({ id, size: 128 * 2 ** 20 });
      expect(readFileSync(`/sys/block/ublkb${id}/size`, "utf8").trim()).toBe(String(128 * 2 ** 11));
      expect(await cli("resize", String(id), "1GiB")).toMatchObject({
        status: 1,
        stderr: expect.stringContaining("make it with a larger maxSize"),
      });
    }
    process.kill(pid, "SIGTERM");
    await ended(pid);
    nothingLeft();
  });

  ublkTest(false)("leaves nothing of a server that is killed hard but what del deletes", async () => {
    const { id, pid } = await added("null", "--queues", "2");
    process.kill(pid, "SIGKILL");
    await ended(pid);
    await wait(() => !existsSync(`/dev/ublkb${id}`));
    const { sound, findings } = JSON.parse((await cli("doctor", "--json")).stdout) as { sound: boolean; findings: unknown[] };
    expect(sound).toBe(false);
    expect(findings).toContainEqual(expect.objectContaining({ check: "orphan", device: id, remedy: `uring-ublk del ${id}` }));
    expect(await json("del", String(id), "--async")).toEqual({ deleted: [id] });
    nothingLeft();
  });

  ublkTest(false)("says with file and line what a module's open() or attach() throws, and nothing stays", async () => {
    const library = JSON.stringify(join(import.meta.dir, "../../src/index.ts"));
    const module = (name: string, open: string, attach: string): string => {
      const path = join(folder, name);
      writeFileSync(
        path,
        `import { defineTarget } from ${library};\nexport default defineTarget({\n  open: () => ${open},\n  attach: () => ${attach},\n} as never);\n`,
      );
      return path;
    };
    const fails = '(() => { throw new Error("no luck"); })()';
    const rows: [path: string, where: string][] = [
      [module("open.ts", fails, "({ read() {} })"), ":3:"],
      [module("attach.ts", '({ size: "1 MiB" })', fails), ":4:"],
      [module("method.ts", '({ size: "1 MiB" })', "({ raed() {} })"), ":4: "],
    ];
    for (const [path, where] of rows) {
      const { status, stderr } = await cli("add", path);
      expect([status, stderr]).toEqual([1, expect.stringContaining(`${path}${where}`)]);
      expect(processesWith(path)).toEqual([]);
      nothingLeft();
    }
  });

  ublkTest(false)("that is given up, or killed hard, leaves no server behind", async () => {
    const path = join(folder, "slow.ts");
    const go = join(folder, "go");
    writeFileSync(
      path,
      `import { existsSync } from "node:fs";
export default {
  size: await (async () => { while (!existsSync(${JSON.stringify(go)})) await Bun.sleep(10); return "1 MiB"; })(),
  read(buffer: Uint8Array) { buffer.fill(0); },
};\n`,
    );
    const given = begun(["add", path]);
    await wait(() => processesWith("--in-background").length > 0);
    given.kill("SIGINT");
    expect(await given.exited).toBe(130);
    expect(processesWith(path)).toEqual([]);
    expect(await cli("add", path, "--timeout", "1")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("did not start within 1 s"),
    });
    expect(processesWith(path)).toEqual([]);
    nothingLeft();
    const killed = begun(["add", path], "ignore");
    await wait(() => processesWith("--in-background").length > 0);
    killed.kill("SIGKILL");
    await killed.exited;
    writeFileSync(go, "");
    await wait(() => processesWith(path).length === 0);
    nothingLeft();
    // And what is not given up serves.
    const { pid, id } = await added(path);
    expect(await stateOf(id)).toBe("live");
    process.kill(pid, "SIGTERM");
    await ended(pid);
    nothingLeft();
  });

  ublkTest(false)("in the foreground prints its line, and ends with its signal's status", async () => {
    const child = begun(["add", "null", "--foreground", "--json"]);
    const reader = (child.stdout as ReadableStream<Uint8Array>).getReader();
    const { path, pid } = JSON.parse(new TextDecoder().decode((await reader.read()).value)) as { path: string; pid: number };
    expect([existsSync(path), pid]).toEqual([true, child.pid]);
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    nothingLeft();
  });

  ublkTest(false)("has words for a start that the kernel refuses", async () => {
    const { id, pid } = await added("null");
    expect(await cli("add", "null", "--id", String(id))).toMatchObject({
      status: 1,
      stdout: "",
      stderr: expect.stringContaining("the id is taken"),
    });
    expect(deviceIds()).toEqual([id]);
    process.kill(pid, "SIGTERM");
    await ended(pid);
    nothingLeft();
  });
});
