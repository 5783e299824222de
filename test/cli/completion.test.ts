import { describe, expect, test } from "bun:test";
import { COMMANDS } from "../../src/cli/commands.ts";
import { bashScript } from "../../src/cli/completion-bash.ts";
import { fishScript } from "../../src/cli/completion-fish.ts";
import { zshScript } from "../../src/cli/completion-zsh.ts";
import { requires } from "../support/requires.ts";

async function output(command: string[]): Promise<string> {
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  if (status !== 0 || err !== "") throw new Error(`${command[0]}: status ${status}: ${err}`);
  return out;
}

/** What bash makes of the words so far, the last of which is to be completed. */
async function completed(...words: string[]): Promise<string[]> {
  const line = ["uring-ublk", ...words].map((word) => `'${word}'`).join(" ");
  const script = `${bashScript()}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length}; _uring_ublk; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return (await output(["bash", "--norc", "-c", script])).trim().split("\n");
}

describe("completion in bash", () => {
  const t = requires(Bun.which("bash") !== null, "needs bash");

  t("completes commands, targets and topics", async () => {
    expect(await completed("re")).toEqual(["recover", "resize"]);
    expect(await completed("")).toEqual([...COMMANDS.map(({ name }) => name), "--help", "--version"]);
    expect(await completed("add", "m")).toEqual(["memory", "mirror"]);
    expect(await completed("help", "exit")).toEqual(["exit-status"]);
    expect(await completed("completion", "")).toEqual(["bash", "zsh", "fish"]);
  });

  t("completes the options of a command, and values of which there are a few", async () => {
    expect(await completed("stop", "--")).toEqual(["--safe", "--force", "--timeout", "--json", "--help"]);
    expect(await completed("add", "null", "--recovery", "re")).toEqual(["reissue"]);
    expect(await completed("add", "null", "--depth", "")).toEqual([""]);
  });

  t("completes files where a module may stand", async () => {
    expect(await completed("add", `${import.meta.dir}/completion.t`)).toEqual([import.meta.path]);
  });
});

describe("completion in other shells", () => {
  const scripts = { zsh: zshScript(), fish: fishScript() };

  for (const [shell, script] of Object.entries(scripts)) {
    test(`has every command and option in the script for ${shell}`, () => {
      for (const { name, options } of COMMANDS) {
        expect(script).toContain(name);
        for (const option of options) expect(script).toContain(shell === "fish" ? `-l ${option.name.slice(2)}` : option.name);
      }
    });

    requires(Bun.which(shell) !== null, `needs ${shell}`)(`is a script that ${shell} understands`, async () => {
      await output([shell, "-n", "-c", script]);
    });
  }
});
