import { describe, expect, test } from "bun:test";
import { openSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { Ring } from "uring-ublk";
import { gathered } from "../../examples/plans/gather.ts";
import { mirrorWrite } from "../../examples/plans/mirror.ts";
import { multiCopy } from "../../examples/plans/multi-copy.ts";
import { parityOf, stripeParity } from "../../examples/plans/parity.ts";
import { beginningOf } from "../../examples/plans/read-file.ts";
import { ROOT } from "../support/child.ts";
import { pattern, TemporaryFolder } from "../uring/support/descriptors.ts";
import { failure } from "../uring/support/network.ts";
import { brief } from "../uring/support/outcome.ts";

const FULL = "/dev/full"; // every write fails with ENOSPC

class Files extends TemporaryFolder {
  open(name: string, content: Uint8Array = new Uint8Array(0)): number {
    writeFileSync(this.file(name), content);
    return openSync(this.file(name), "r+");
  }

  content(name: string): Uint8Array {
    return new Uint8Array(readFileSync(this.file(name)));
  }
}

describe("the examples of plans", () => {
  test("run as a program, which checks what was moved", async () => {
    const child = Bun.spawn([process.execPath, "examples/plans/main.ts", "--bytes", "300001"], {
      cwd: ROOT,
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
    expect([status, err]).toEqual([0, ""]);
    expect(out.split("\n").map((line) => line.split(":")[0])).toEqual(["multi-copy", "mirror", "gather", "parity", "sequence", ""]);
  });

  test("explain themselves, and say what is wrong with an option", async () => {
    const run = (...args: string[]) => Bun.spawnSync([process.execPath, "examples/plans/main.ts", ...args], { cwd: ROOT });
    expect(run("--help").stdout.toString()).toMatch(/multi-copy.*group\(read/);
    const odd = run("--bytes", "1.5");
    expect([odd.exitCode, odd.stderr.toString()]).toEqual([2, expect.stringMatching(/--bytes is '1.5'/)]);
  });

  test("multi-copy: writes a file of any length to all, and fails when one of them does, with the others written", async () => {
    using files = new Files();
    await using ring = await Ring.open({ entries: 16 });
    for (const length of [0, 1, 4096, 10_001]) {
      const source = files.open("source", pattern(length));
      expect(await multiCopy(ring, source, [files.open("a"), files.open("b"), files.open("c")], 4096)).toBe(length);
      for (const name of ["a", "b", "c"]) expect(files.content(name)).toEqual(pattern(length));
    }
    const source = files.open("source", pattern(100));
    const broken = multiCopy(ring, source, [files.open("a"), openSync(FULL, "r+"), files.open("c")]);
    expect(await failure(broken)).toMatchObject({ code: "ENOSPC", operation: "write" });
    for (const name of ["a", "c"]) expect(files.content(name)).toEqual(pattern(100));
  });

  test("mirror: says which copies have the data, and fails when none has", async () => {
    using files = new Files();
    await using ring = await Ring.open({ entries: 16 });
    const [a, b] = [files.open("a"), files.open("b")];
    expect(await mirrorWrite(ring, [a, b], pattern(5000), 100)).toEqual([a, b]);
    expect(files.content("b").subarray(100)).toEqual(pattern(5000));
    const full = openSync(FULL, "r+");
    expect(await mirrorWrite(ring, [full, b], pattern(10, 2), 0)).toEqual([b]);
    expect(files.content("b").subarray(0, 10)).toEqual(pattern(10, 2));
    expect(await failure(mirrorWrite(ring, [full], pattern(10), 0))).toMatchObject({ code: "ENOSPC" });
  });

  test("gather: writes nothing when a part is missing", async () => {
    using files = new Files();
    await using ring = await Ring.open({ entries: 16 });
    const [a, b, to] = [files.open("a", pattern(50)), files.open("b", pattern(50, 2)), files.open("to")];
    const extents = [
      { fd: b, offset: 10, length: 20 },
      { fd: a, offset: 0, length: 50 },
    ];
    expect(await ring.run(gathered(extents, to, 0))).toEqual([[20, 50], 70]);
    expect(files.content("to")).toEqual(Buffer.concat([pattern(50, 2).subarray(10, 30), pattern(50)]) as Uint8Array);
    const short = await ring.settle(gathered([{ fd: a, offset: 40, length: 20 }, ...extents], to, 0));
    expect(brief(short)).toBe("failed:EIO[failed:EIO[failed:EIO fulfilled fulfilled] unstarted]");
    expect(files.content("to").length).toBe(70);
  });

  test("parity: restores what was lost", async () => {
    using files = new Files();
    await using ring = await Ring.open({ entries: 16 });
    const data = [pattern(4096), pattern(4096, 2), pattern(4096, 3)];
    const disks = data.map((content, i) => files.open(`data${i}`, content));
    await ring.run(stripeParity(disks, [files.open("p"), files.open("q")], 0, 4096));
    expect(parityOf([data[0]!, data[2]!, files.content("p")])).toEqual(pattern(4096, 2));
    expect(files.content("q")).toEqual(files.content("p"));
  });

  test("sequence: closes what it opened, also when the read fails", async () => {
    using files = new Files();
    await using ring = await Ring.open({ entries: 16 });
    files.open("a", pattern(10));
    const buffer = new Uint8Array(8);
    const [fd, [bytes, closed]] = await ring.run(beginningOf(files.file("a"), buffer));
    expect([bytes, closed, buffer]).toEqual([8, 0, pattern(8)]);
    expect(() => readlinkSync(`/proc/self/fd/${fd}`)).toThrow();
    expect(await failure(ring.run(beginningOf(files.file("missing"), buffer)))).toMatchObject({ code: "ENOENT" });
    const before = readdirSync("/proc/self/fd").length;
    expect(await failure(ring.run(beginningOf(files.path, buffer)))).toMatchObject({ code: "EISDIR" });
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});
