// usual kernels: the newest
/** Who may not make a disk is told so, by name and with the remedy, before anything is made. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { join } from "node:path";
import { ROOT } from "../support/child.ts";
import { haveUblk, isRoot, requires, ublkTest } from "../support/requires.ts";
import { devices, stuckProcesses } from "./support/machine.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const test = requires(haveUblk() && isRoot(), "needs root and a kernel with ublk");
const SERVE = [join(import.meta.dir, "support/tells.ts"), "serve"];
const LIST = [join(ROOT, "src/cli/main.ts"), "list"];

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** Runs a program with less than root's rights; answers what it printed. */
async function as(rights: readonly string[], program: readonly string[]): Promise<string> {
  const child = Bun.spawn(["setpriv", ...rights, process.execPath, ...program], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, NO_COLOR: "1", HOME: "/nonexistent" },
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return (out + err).trim();
}

const NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups"];
const WITHOUT_ADMIN = ["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"];

test("an ordinary user is told to be root, by serve and by the command", async () => {
  const needs =
    "'/dev/ublk-control': EACCES (ublk needs root: run as root; or have the administrator allow disks of users (docs/admin.md))";
  expect(await as(NOBODY, SERVE)).toBe(`served: UblkError: ublk open ${needs}`);
  expect(await as(NOBODY, LIST)).toBe(
    "uring-ublk: ublk needs root: run as root; or have the administrator allow disks of users (docs/admin.md)",
  );
});

ublkTest(false)("a Worker that may not become an I/O flusher serves all the same", async () => {
  const flusher = [...SERVE.slice(0, 1), "flusher"];
  expect(await as([], flusher)).toBe("live, flusher: 1");
  expect(await as(["--bounding-set=-sys_resource", "--inh-caps=-sys_resource"], flusher)).toBe("live, flusher: -1");
});

test("a root without the capability is told which one is missing", async () => {
  expect(await as(WITHOUT_ADMIN, SERVE)).toBe(
    "served: UblkError: ublk ADD_DEV: EPERM (creating a device needs root (CAP_SYS_ADMIN in the initial user namespace), or unprivileged: true, which makes a user's own (--unprivileged))",
  );
});
