import { join } from "node:path";

export const ROOT = join(import.meta.dir, "../..");

/** Runs a command and returns its output; throws with both streams when it fails. */
export async function run(cmd: string[], cwd = ROOT): Promise<string> {
  // The installed command's first line asks PATH for Bun.
  const env = { ...process.env, PATH: `${ROOT}/node_modules/.bin:${process.env.PATH}` };
  const child = Bun.spawn({ cmd, cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  if (status !== 0) throw new Error(`${cmd.join(" ")}: exit status ${status}\n${out}${err}`);
  return out;
}

/** Every file that is, or is about to be, under version control. */
export async function trackedFiles(): Promise<string[]> {
  const out = await run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
  return out.split("\0").filter((path) => path !== "");
}
