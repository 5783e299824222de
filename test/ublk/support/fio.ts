/** Runs fio on a device and answers its JSON report. */
export async function fio(
  path: string,
  options: Record<string, string | number>,
): Promise<{ jobs: { error: number; read: Side; write: Side }[] }> {
  const all = { name: "t", filename: path, direct: 1, ioengine: "libaio", "output-format": "json", ...options };
  const child = Bun.spawn(["fio", ...Object.entries(all).map(([name, value]) => `--${name}=${value}`)], { stdout: "pipe", stderr: "pipe" });
  const [output, errors, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  if (status !== 0) throw new Error(`fio ended with status ${status}: ${errors}\n${output.slice(0, 2000)}`);
  return JSON.parse(output.slice(output.indexOf("{"))) as never;
}

interface Side {
  total_ios: number;
  iops: number;
}

/** Lets fio run whatever becomes of the disk; answers its exit status, or undefined when it had to be killed at the limit. */
export async function fioToItsEnd(path: string, options: Record<string, string | number>, limitMs: number): Promise<number | undefined> {
  const all = { name: "t", filename: path, direct: 1, ioengine: "libaio", ...options };
  const child = Bun.spawn(["fio", ...Object.entries(all).map(([name, value]) => `--${name}=${value}`)], {
    stdout: "ignore",
    stderr: "ignore",
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, limitMs);
  // A client in D state does not even die of SIGKILL: whoever waits for it must not wait for ever.
  const status = await Promise.race([child.exited, Bun.sleep(limitMs + 2_000)]);
  clearTimeout(timer);
  return late ? undefined : (status as number);
}
