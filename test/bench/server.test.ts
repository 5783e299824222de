import { expect, test } from "bun:test";
import { startServer } from "../../bench/server.ts";

/** Says its pid, and ends with a status of its own on SIGUSR1. */
const serving = (status: number): string[] => [
  "sh",
  "-c",
  `trap 'exit ${status}' USR1; echo "serving as $$, port 7"; while :; do sleep 0.05; done`,
];

test("what a server serves, and the command that ends it, are made of what it says", async () => {
  const server = await startServer({
    command: serving(0),
    announces: /serving as (\d+),/,
    served: ([, pid]) => `/proc/${pid}`,
    stoppedBy: ([, pid = ""]) => ["kill", "-USR1", pid],
  });
  expect(server.announced).toBe(`/proc/${server.pid}`);
  await server[Symbol.asyncDispose]();
});

test("by default what matches is what is served, and SIGTERM ends it", async () => {
  await using server = await startServer({ command: serving(0), announces: /port \d+/ });
  expect(server.announced).toBe("port 7");
});

test("a server that ends with a failure is reported, and so is a command that cannot end it", async () => {
  const stoppedBy = ([pid]: RegExpExecArray) => ["kill", "-USR1", pid];
  const failing = await startServer({ command: serving(3), announces: /\d+/, stoppedBy });
  await expect(failing[Symbol.asyncDispose]()).rejects.toThrow("status 3");
  const stubborn = await startServer({ command: serving(0), announces: /\d+/, stoppedBy: () => ["false"] });
  await expect(stubborn[Symbol.asyncDispose]()).rejects.toThrow("false ended with status 1");
});
