// file timeout: 600 s
// usual kernels: none
import { describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../../package.json";
import { ublkTest } from "../support/requires.ts";
import { aroundServers, ended, folder, nothingLeft } from "./support.ts";

aroundServers();

const program = join(folder, "uring-ublk");

async function run(...words: string[]): Promise<string> {
  const child = Bun.spawn([program, ...words], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, PATH: "/nowhere" } });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  if (status !== 0) throw new Error(`${words.join(" ")}: status ${status}: ${err}`);
  return out;
}

describe("the command as one executable", () => {
  ublkTest(false)("serves its own targets and modules of others in Workers, and stops disks in order", async () => {
    const script = join(import.meta.dir, "../../scripts/executable.ts");
    const build = Bun.spawn([process.execPath, script, "--out", program], { stdio: ["ignore", "ignore", "inherit"] });
    expect(await build.exited).toBe(0);
    expect(await run("--version")).toBe(`${manifest.version}\n`);

    const module = join(folder, "sevens.ts");
    writeFileSync(module, "export default { size: 1 << 20, read(buffer: Uint8Array): void { buffer.fill(7); } };\n");
    const rows: [words: string[], expected: number][] = [
      [["memory", "--size", "4MiB", "--queues", "2", "--recovery", "queue"], 0],
      [[module], 7],
    ];
    for (const [words, expected] of rows) {
      const { path, id, pid } = JSON.parse(await run("add", ...words, "--timeout", "300", "--json")) as {
        path: string;
        id: number;
        pid: number;
      };
      const read = Bun.spawnSync(["dd", `if=${path}`, "bs=4k", "count=1", "iflag=direct"], { stderr: "ignore" });
      expect([read.stdout.length, read.stdout[0]]).toEqual([4096, expected]);
      expect(JSON.parse(await run("stop", String(id), "--timeout", "300", "--json"))).toEqual({ id, stopped: true, deleted: true });
      await ended(pid);
      nothingLeft();
    }
  });
});
