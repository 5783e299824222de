import { readdirSync, readFileSync } from "node:fs";

function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    return (error as Error).message; // it ended meanwhile
  }
}

/** The kernel's stack of a thread, innermost first, as far as it tells where it waits. */
function thread(folder: string): string {
  const state = /^State:\s+(\S)/m.exec(read(`${folder}/status`))?.[1] ?? "?";
  const frames = read(`${folder}/stack`)
    .split("\n")
    .slice(0, 6)
    .map((line) => line.replace(/^\[<0>\] |\+0x.*$/g, ""));
  return `${state} ${read(`${folder}/comm`)}: ${frames.join(" < ")}`;
}

/** Where the threads of a process are in the kernel, one a line: why it hangs. */
export function stacksOf(pid: number): string {
  const folder = `/proc/${pid}/task`;
  try {
    return readdirSync(folder)
      .map((id) => thread(`${folder}/${id}`))
      .join("\n");
  } catch (error) {
    return (error as Error).message;
  }
}
