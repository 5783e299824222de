import { accessSync, constants, existsSync } from "node:fs";
import { release } from "node:os";
import { dirname } from "node:path";
import { charHolders } from "../../ublk/char-holders.ts";
import { holdersOf, stateDirectory } from "../../ublk/index.ts";
import { names, text } from "../../ublk/proc.ts";
import { Ring } from "../../uring/index.ts";
import { type Device, openControl, survey } from "../survey.ts";
import type { Attempt, Machine } from "./machine.ts";

async function attempt<T>(what: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await what() };
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string };
    return { code: typeof code === "string" ? code : "", message };
  }
}

const writable = (path: string): boolean => may(existsSync(path) ? path : dirname(path), constants.W_OK);

const mayOpen = (path: string): boolean => may(path, constants.R_OK | constants.W_OK);

function may(path: string, how: number): boolean {
  try {
    accessSync(path, how);
    return true;
  } catch {
    return false;
  }
}

/** The machine that this runs on. */
export function thisMachine(): Machine {
  let devices: Promise<readonly Device[]> | undefined;
  return {
    release: release(),
    arch: process.arch,
    bun: Bun.version,
    stateDirectory: stateDirectory(),
    exists: existsSync,
    writable,
    read: (path) => text(path)?.trim(),
    opens: mayOpen,
    list: names,
    ring: () =>
      attempt(async () => {
        await using _ = await Ring.open({ entries: 4, sqe: 128 });
        return true as const;
      }),
    features: () =>
      attempt(async () => {
        await using control = await openControl();
        return control.features;
      }),
    devices() {
      devices ??= (async () => {
        await using control = await openControl();
        return await survey(control);
      })();
      return devices;
    },
    holders: holdersOf,
    serverSide: charHolders,
  };
}
