/** Users without rights, and what an administrator sets up for their disks: the udev rules of the package, under the VM's own udev. */
import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../support/child.ts";
import { PROGRAM } from "../../support/cli.ts";
import { sh } from "../../support/disk-tools.ts";

const RULES = "/etc/udev/rules.d/60-uring-ublk.rules";
const COMMAND = "/usr/local/bin/uring-ublk";
/** Two users who are nothing to each other. */
export const ALICE = 1000;
export const BOB = 1001;

const home = (uid: number): string => `/tmp/uring-ublk-user-${uid}`;

/** What a program of a user's finds in its environment. */
export const userEnv = (uid: number): Record<string, string> => ({ HOME: home(uid), XDG_RUNTIME_DIR: home(uid), NO_COLOR: "1" });

/** Makes a program a user's: the words in front of it. `gid` is another group than the user's own. */
export const asUser = (uid: number, gid = uid): string[] => ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];

/** How a user's program ended. */
export interface UserResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program as a user. */
export async function runAs(uid: number, command: readonly string[], gid = uid): Promise<UserResult> {
  const child = Bun.spawn([...asUser(uid, gid), ...command], {
    cwd: "/",
    env: { ...process.env, ...userEnv(uid) },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { status, stdout: stdout.trim(), stderr: stderr.trim() };
}

/** A line of shell as a user, which must succeed; answers what it printed. `$1` and so on are the words behind it. */
export async function shAs(uid: number, script: string, ...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await runAs(uid, ["sh", "-c", `export PATH=$PATH:/sbin:/usr/sbin; ${script}`, "sh", ...words]);
  if (status !== 0) throw new Error(`${script}: status ${status}: ${stderr}`);
  return stdout;
}

/** Runs the `uring-ublk` command as a user. */
export const cliAs = (uid: number, ...words: string[]): Promise<UserResult> => runAs(uid, [process.execPath, PROGRAM, ...words]);

async function udevLooksAgain(): Promise<void> {
  await sh("udevadm control --reload && udevadm trigger --action=add --name-match=/dev/ublk-control && udevadm settle");
}

/** What docs/admin.md has the administrator do; the wrapper stands for the installed command. */
export async function allowUsers(): Promise<void> {
  writeFileSync(COMMAND, `#!/bin/sh\nexec env HOME=/root '${process.execPath}' '${PROGRAM}' "$@"\n`);
  chmodSync(COMMAND, 0o755);
  mkdirSync("/etc/udev/rules.d", { recursive: true });
  copyFileSync(join(ROOT, "udev/60-uring-ublk.rules"), RULES);
  for (const uid of [ALICE, BOB]) {
    mkdirSync(home(uid), { recursive: true });
    await sh("chown $1:$1 $2", String(uid), home(uid));
  }
  await udevLooksAgain();
}

/** Half of it: the control node is everybody's, and nobody gives nodes to their owners. */
export async function allowWithoutNodes(): Promise<void> {
  writeFileSync(RULES, 'KERNEL=="ublk-control", MODE="0666"\n');
  await udevLooksAgain();
}

/** Takes it all back. */
export async function forbidUsers(): Promise<void> {
  for (const path of [RULES, COMMAND, home(ALICE), home(BOB)]) rmSync(path, { recursive: true, force: true });
  await udevLooksAgain();
  await sh("chmod 600 /dev/ublk-control");
}
