/**
 * The demo: a disk written in TypeScript (disk.ts) gets a file system, is mounted, filled with a real tree, checked byte by byte,
 * measured and removed. `npm run demo` runs it in a VM; `npm run demo -- --host` on this machine, as root.
 * With --no-fio it does not measure.
 */
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDisk } from "./disk.ts";
import { measureAll, tableOf } from "./measure.ts";
import { Story } from "./story.ts";

const ROOT = join(import.meta.dir, "../..");
const BYTES = 128 * 2 ** 20;
/** What is copied onto the disk. */
const TREES = ["src", "node_modules/typescript"].filter((path) => existsSync(join(ROOT, path)));
const TOOLS = ["mkfs.ext4", "e2fsck", "mount", "umount", "cp", "find", "sha256sum"];

function checkTools(): void {
  const missing = TOOLS.filter((tool) => Bun.which(tool) === null);
  if (missing.length > 0)
    throw new Error(`these programs are missing: ${missing.join(", ")} (Debian: e2fsprogs, mount, coreutils, findutils)`);
}

/** The sha256 of every file, one a line, in a fixed order. */
async function checksums(story: Story, folder: string): Promise<string> {
  const found = await story.run(["find", "-L", ...TREES, "-type", "f", "-print0"], { cwd: folder });
  const files = found.split("\0").filter((path) => path !== "");
  return story.run(["sha256sum", "--", ...files.sort()], { cwd: folder });
}

async function mountAt(story: Story, device: string, folder: string): Promise<() => Promise<void>> {
  const unmount = story.later(async () => {
    // An interrupted mount may or may not have happened.
    const mounted = readFileSync("/proc/self/mountinfo", "utf8").includes(` ${folder} `);
    if (mounted) await story.run(["umount", folder], { undoing: true });
  });
  await story.run(["mount", device, folder]);
  return unmount;
}

async function copyAndCheck(story: Story, device: string): Promise<void> {
  await story.step("mkfs.ext4", () => story.run(["mkfs.ext4", "-q", device]));
  const folder = await mkdtemp(join(tmpdir(), "uring-ublk-demo-"));
  story.later(() => rmdir(folder));
  const unmount = await story.step("mount", () => mountAt(story, device, folder));
  await story.step(`copy ${TREES.join(" and ")}`, () => story.run(["cp", "-RL", "--parents", ...TREES, folder], { cwd: ROOT }));
  await story.step("unmount: what is cached is written", unmount);
  // A fresh mount has nothing in its cache: every byte below comes from the disk.
  const unmountAgain = await story.step("mount again", () => mountAt(story, device, folder));
  await story.step(
    "sha256 of every file, on both sides",
    async () => {
      const [wanted, found] = [await checksums(story, ROOT), await checksums(story, folder)];
      if (found !== wanted) throw new Error("the files on the disk differ from those that were copied");
      return found.trim().split("\n").length;
    },
    (files) => `${files} files are the same`,
  );
  await story.step("unmount", unmountAgain);
  await story.step(
    "e2fsck",
    () => story.run(["e2fsck", "-f", "-n", device]),
    () => "clean",
  );
}

async function tell(story: Story): Promise<void> {
  checkTools();
  console.log(
    `The disk (examples/demo/disk.ts):\n\n${readFileSync(join(import.meta.dir, "disk.ts"), "utf8")
      .replace(/^/gm, "    ")
      .trimEnd()}\n`,
  );
  const disk = await story.step(
    "start the disk",
    () => startDisk(BYTES),
    ({ path }) => `${path}, ${BYTES / 2 ** 20} MiB`,
  );
  const remove = story.later(() => disk.stop());
  await copyAndCheck(story, disk.path);
  const fio = Bun.which("fio") !== null && !process.argv.includes("--no-fio");
  const rows = fio ? await story.step("fio, four jobs", () => measureAll(story, disk.path)) : [];
  await story.step("remove the disk", async () => {
    await remove();
    if (existsSync(disk.path) || existsSync(disk.charPath)) throw new Error(`${disk.path} is still there`);
  });
  console.log(`\n${fio ? tableOf(rows) : "Not measured: there is no fio here, or --no-fio was given."}`);
}

const story = new Story();
let status = 0;
try {
  await tell(story);
} catch (error) {
  status = story.signal.aborted ? 130 : 1;
  console.error(`demo: ${(error as Error).message}`);
} finally {
  if (!(await story.end())) status ||= 1;
}
console.log(status === 0 ? "\nEvery check passed." : "\nThe demo failed.");
process.exit(status);
