// Runs one task of this repository on a machine that has only node + npm, or only Bun.
//   node scripts/bootstrap.mjs <task> [arguments]
// It installs the development dependencies (Bun is one of them) when they are missing or stale, finds Bun,
// and hands over to it. Plain JavaScript, Node 18 or Bun, no dependency: it runs before anything is installed.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installDependencies } from "./bootstrap-install.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Tools of node_modules, run under Bun: node may be missing, or too old for them. Everything else is scripts/<task>.ts. */
const tools = {
  build: ["tsup"],
  docs: ["typedoc"],
  lint: ["biome", "check"],
  format: ["biome", "check", "--write"],
  typecheck: ["tsc", "--noEmit"],
};

function fail(message) {
  console.error(`bootstrap: ${message}`);
  process.exit(1);
}

function knownTasks() {
  const scripts = readdirSync(join(root, "scripts")).filter((name) => name.endsWith(".ts"));
  return [...Object.keys(tools), ...scripts.map((name) => name.slice(0, -3))].sort();
}

/** "1.4.5" >= "1.4.0"; pre-release suffixes do not count. */
function versionAtLeast(version, wanted) {
  const numbers = (text) => text.split(/[-+]/)[0].split(".").map(Number);
  const [have, want] = [numbers(version), numbers(wanted)];
  for (let i = 0; i < 3; i++) if (have[i] !== want[i]) return have[i] > want[i];
  return true;
}

/** Every Bun that may be on this machine, in order of preference: the caller's own, PATH's, the installed one. */
function bunCandidates() {
  const own = process.versions.bun ? [process.execPath] : [];
  const onPath = (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => folder && !folder.startsWith(join(root, "node_modules")))
    .map((folder) => join(folder, "bun"));
  // The package's own binary is the last resort: with ignore-scripts the link in .bin is not ready.
  const installed = ["node_modules/.bin/bun", "node_modules/@oven/bun-linux-x64/bin/bun"].map((p) => join(root, p));
  return [...own, ...onPath, ...installed].filter((path) => existsSync(path));
}

function findBun(wanted) {
  const refused = [];
  for (const path of bunCandidates()) {
    const answer = spawnSync(path, ["--version"], { encoding: "utf8" });
    const version = answer.status === 0 ? answer.stdout.trim() : "does not run";
    if (answer.status === 0 && versionAtLeast(version, wanted)) return path;
    refused.push(`${path} (${version})`);
  }
  fail(`no Bun >= ${wanted} found${refused.length ? `; looked at ${refused.join(", ")}` : ""}. Try: npm ci`);
}

/** The task becomes this process, as far as the caller can see: its output, its signals, its exit status. */
function handOver(command, args) {
  const bin = join(root, "node_modules", ".bin");
  const env = {
    ...process.env,
    PATH: `${dirname(command)}${delimiter}${bin}${delimiter}${process.env.PATH ?? ""}`,
  };
  const child = spawn(command, args, { cwd: root, stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // A terminal's Ctrl-C reaches the whole process group by itself: the child must not get it twice.
      if (signal === "SIGINT" && process.stdin.isTTY) return;
      child.kill(signal);
    });
  }
  child.on("error", (error) => fail(`cannot run ${command}: ${error.message}`));
  child.on("exit", (code, signal) => {
    process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1));
  });
}

const [task, ...args] = process.argv.slice(2);
if (!task || !knownTasks().includes(task)) {
  fail(`${task ? `unknown task "${task}"` : "no task given"}; known: ${knownTasks().join(", ")}`);
}
if (process.platform !== "linux") fail(`uring-ublk is for Linux only; this is ${process.platform}`);

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const problem = installDependencies(root, manifest);
if (problem) fail(problem);

const bun = findBun(manifest.engines.bun.replace(/[^\d.]/g, ""));
if (tools[task]) handOver(bun, ["run", "--bun", ...tools[task], ...args]);
else handOver(bun, [join("scripts", `${task}.ts`), ...args]);
