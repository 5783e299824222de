// file timeout: 600 s
// usual kernels: the newest
import { describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readState, writeState } from "uring-ublk/ublk";
import { cli, PROGRAM } from "../support/cli.ts";
import { ublkTest } from "../support/requires.ts";
import { aroundRecovery, idOf, killed, path, start, stateOf } from "../ublk/support/recoverable.ts";

aroundRecovery();

const serve = { depth: 8, maxIo: 65536, recovery: "queue", serialize: true } as const;

describe("uring-ublk recover", () => {
  ublkTest(true)("serves a disk again with the module and the options of its server, until it is told to end", async () => {
    await using first = await start({ target: { path }, serve });
    const id = idOf(first);
    await killed(first);
    const objection = `device ${id} waits for another server: uring-ublk recover ${id} serves it again`;
    expect(await cli("del", String(id))).toMatchObject({ status: 1, stderr: expect.stringContaining(objection) });
    expect((await cli("del", "--all")).stderr).toContain(`left alone: ${objection}`);
    expect((await cli("list")).stdout).toMatch(new RegExp(`^${id} .* quiesced +${first.child.pid} \\(gone\\)`, "m"));

    const child = Bun.spawn([process.execPath, PROGRAM, "recover", String(id)], { stdio: ["ignore", "ignore", "pipe"] });
    const reader = child.stderr.getReader();
    const said = new TextDecoder().decode((await reader.read()).value);
    expect(said).toContain(`/dev/ublkb${id} is served again by process ${child.pid}, with file://${join(process.cwd(), "test/ublk")}`);
    expect(await stateOf(id)).toBe("live");
    expect(readState(id)).toMatchObject({ pid: child.pid, options: { path }, serving: { serialize: true } });
    child.kill("SIGTERM");
    await child.exited;
    expect(existsSync(`/dev/ublkc${id}`)).toBe(false);
    expect(readState(id)).toBeUndefined();
  });

  ublkTest(false)("says why it cannot know what to serve", async () => {
    expect(await cli("recover", "777")).toMatchObject({ status: 1, stderr: expect.stringContaining("there is no device 777") });
    await using first = await start({ target: { path }, serve });
    const id = idOf(first);
    await killed(first);
    const state = readState(id)!;
    writeState({ ...state, module: undefined });
    expect((await cli("recover", String(id))).stderr).toContain("by functions of a program, not by a module");
    writeState({ ...state, optionsUnsaid: true });
    expect((await cli("recover", String(id))).stderr).toContain("were not plain data");
    writeState(state);
    expect(await cli("del", String(id), "--force")).toMatchObject({ status: 0 });
    expect(existsSync(`/dev/ublkc${id}`)).toBe(false);
  });
});
