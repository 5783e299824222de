// usual kernels: none
/** The package as it is published serves a disk: the built files, found through node_modules, with the Worker file beside them. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/child.ts";
import { fileSystemRoundTrip, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, requires } from "../support/requires.ts";
import { devices, stuckProcesses } from "./support/machine.ts";

setDefaultTimeout(180_000);
const built = existsSync(join(ROOT, "dist/index.js"));
const test = requires(haveUblk() && built, built ? "needs a kernel with ublk" : "dist/ is not built: npm run build");

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

const PROGRAM = `
import { serve } from "uring-ublk";
import { memory } from "uring-ublk/targets";

const disk = await serve(memory.url, { queues: 2, options: { size: "96 MiB" } });
console.log(disk.path);
await disk.finished;
`;

test("ext4 on a disk that the packed package serves with 2 Workers", async () => {
  await using directory = await workDirectory();
  const installed = join(directory.path, "node_modules/uring-ublk");
  mkdirSync(installed, { recursive: true });
  for (const part of ["dist", "package.json"]) cpSync(join(ROOT, part), join(installed, part), { recursive: true });
  writeFileSync(join(directory.path, "package.json"), JSON.stringify({ name: "user", type: "module", private: true }));
  writeFileSync(join(directory.path, "program.ts"), PROGRAM);
  const child = Bun.spawn([process.execPath, "program.ts"], { cwd: directory.path, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const errors = new Response(child.stderr).text();
  try {
    const { value } = await child.stdout.getReader().read();
    const path = new TextDecoder().decode(value).trim();
    if (!path.startsWith("/dev/ublkb")) throw new Error(`the program served nothing: ${path} ${await errors}`);
    const { read, expected } = await fileSystemRoundTrip(path, "ext4");
    expect(read).toBe(expected);
  } finally {
    child.kill("SIGTERM");
    expect(await child.exited).toBe(143);
  }
});
