// usual kernels: none
// file timeout: 600 s
/** Until a disk can be opened, nothing of it may stay: not when its program ends, and not when its target never answers. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { type Attachment, defineTarget, serve } from "uring-ublk";
import { runProgram } from "../support/child.ts";
import { haveUblk, isFullRun, ublkTest } from "../support/requires.ts";
import { devices, holdings, stuckProcesses, until } from "./support/machine.ts";

setDefaultTimeout(120_000); // an emulated machine, and neighbours
const test = ublkTest(true);
const read = (): void => {};
const never = <T>(): Promise<T> => new Promise<T>(() => {});

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

// Before ADD_DEV, while the driver works on it, while the char device is opened, while it starts, and when it is live.
const MOMENTS = isFullRun() ? ["added", "microtask", "0", "2", "8", "32", "128", "512"] : ["2"];

for (const where of ["closures", "workers"]) {
  for (const [how, statuses] of [
    ["exit", [7]],
    ["SIGINT", [130, null]], // null: it came before there was anything to take back
    ["SIGTERM", [143, null]],
  ] as const) {
    const end = (after: string, ...more: string[]) => runProgram("ublk/support/making-server.ts", [how, where, after, ...more]);

    ublkTest(how === (where === "workers" ? "SIGTERM" : "SIGINT"))(
      `${how} at any moment while a disk is made leaves no device, served by ${where}`,
      async () => {
        for (const moment of MOMENTS) {
          const { status, stderr } = await end(moment);
          // On a busy machine a thread may not let go in time: a process that outlives the program deletes the device then.
          await until(() => devices().length === 0, "deleted from outside");
          expect({ moment, stderr, status: statuses.some((one) => one === status), devices: devices() }).toEqual({
            moment,
            stderr: "",
            status: true,
            devices: [],
          });
        }
      },
    );

    ublkTest(where === "closures" && how === "SIGTERM")(
      `${how} while the target attaches, and never gets done, leaves no device, served by ${where}`,
      async () => {
        const start = performance.now();
        const { status, stderr } = await end("4000", "never");
        expect({ status, stderr }).toEqual({ status: statuses[0], stderr: "" });
        expect(performance.now() - start).toBeLessThan(20_000); // and does not wait for the limit of 30 s
      },
    );
  }
}

test("an open() that never settles is given up at the limit, by name", async () => {
  const target = defineTarget({ open: () => never<{ size: number }>(), attach: () => ({ read }) });
  await expect(serve(target, { timeoutMs: 300 })).rejects.toThrow(
    /^ublk serve 'open\(\)': ETIMEDOUT \(it did not settle within 300 ms.*raise timeoutMs/,
  );
});

test("what open() answers after the limit is closed", async () => {
  const closed: unknown[] = [];
  const target = defineTarget({
    open: async () => {
      await Bun.sleep(600);
      return { size: 4096, shared: "late" };
    },
    attach: () => ({ read }),
    close: (shared) => void closed.push(shared),
  });
  await expect(serve(target, { timeoutMs: 300 })).rejects.toThrow(/'open\(\)': ETIMEDOUT/);
  await until(() => closed.length > 0, "closed");
  expect(closed).toEqual(["late"]);
});

test("an attach() that never settles is given up at the limit, by name, and nothing half made stays", async () => {
  const closed: unknown[] = [];
  const target = defineTarget({
    open: () => ({ size: 4096, shared: "mine" }),
    attach: () => never<Attachment>(),
    close: (shared) => void closed.push(shared),
  });
  const attempt = () =>
    expect(serve(target, { timeoutMs: 1_000, depth: 16 })).rejects.toThrow(
      /^ublk serve 'attach\(\) of queue 0': ETIMEDOUT \(it did not settle within 1000 ms/,
    );
  await attempt();
  const { fds } = holdings();
  await attempt();
  expect(closed).toEqual(["mine", "mine"]);
  await until(() => holdings().fds <= fds, "free of what the attempt had opened");
});

test("what attach() answers after the limit is detached", async () => {
  let detached = 0;
  const target = defineTarget({
    open: () => ({ size: 4096 }),
    attach: async () => {
      await Bun.sleep(1_600);
      return { read, detach: () => void detached++ };
    },
  });
  await expect(serve(target, { timeoutMs: 1_000 })).rejects.toThrow(/'attach\(\) of queue 0': ETIMEDOUT/);
  await until(() => detached > 0, "detached");
  expect(detached).toBe(1);
});

for (const [name, what] of [
  ["never-imported", /'the import of .*never-imported\.ts': ETIMEDOUT/],
  ["never-imported-in-worker", /'the import of .*never-imported-in-worker\.ts in the Worker of queue 0': ETIMEDOUT/],
  ["never-attached", /'attach\(\) of .*never-attached\.ts in the Worker of queue 0': ETIMEDOUT/],
] as const) {
  ublkTest(false)(`a module that never gets done is given up at the limit, by name, and nothing half made stays: ${name}`, async () => {
    const module = new URL(`./support/bad-targets/${name}.ts`, import.meta.url);
    const attempt = () => expect(serve(module, { timeoutMs: 6_000, depth: 16 })).rejects.toThrow(what);
    await attempt();
    await Bun.sleep(200); // what the ended Worker held
    const { fds } = holdings();
    const start = performance.now();
    await attempt();
    expect(performance.now() - start).toBeLessThan(10_000); // DEL_DEV would wait 5 s for anything that is left
    await until(() => holdings().fds <= fds, "free of what the Worker had opened");
  });
}
