import { describe, expect, test } from "bun:test";
import {
  type ChildStatus,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  epollCtl,
  epollWait,
  type FutexWord,
  futexWait,
  futexWaitv,
  futexWake,
  Ring,
  WCONTINUED,
  WEXITED,
  WNOHANG,
  WNOWAIT,
  WSTOPPED,
  waitid,
} from "uring-ublk";
import { Arena, sys } from "uring-ublk/ffi";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { kill, shell } from "./support/children.ts";
import { memoryFile, pattern, pipe } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

const [SIGKILL, SIGTERM, SIGCONT, SIGSTOP] = [9, 15, 18, 19];

describe("epoll", () => {
  const waits = requires(kernelAtLeast("6.15"), "epollWait needs Linux 6.15");

  waits("reports what was added, with the data that was given", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const epfd = sys.epollCreate();
    using one = pipe();
    using two = pipe();
    await ring.run(epollCtl({ epfd, fd: one.first, change: "add", events: EPOLLIN }));
    await ring.run(epollCtl({ epfd, fd: two.second, change: "add", events: EPOLLOUT | EPOLLET, data: 2 ** 52 + 1 }));
    expect(await ring.run(epollWait({ epfd }))).toEqual([{ events: EPOLLOUT, data: 2 ** 52 + 1 }]);
    const later = ring.run(epollWait({ epfd, maxEvents: 1 }));
    sys.write(one.second, pattern(1));
    expect(await later).toEqual([{ events: EPOLLIN, data: one.first }]);
    sys.close(epfd);
  });

  waits("forgets what was deleted, and knows what was changed", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const epfd = sys.epollCreate();
    const [near, far] = sys.socketpair(1, 1);
    await ring.run(epollCtl({ epfd, fd: near, change: "add", events: EPOLLOUT }));
    await ring.run(epollCtl({ epfd, fd: near, change: "modify", events: EPOLLIN, data: 5 }));
    sys.close(far);
    const [event] = await ring.run(epollWait({ epfd }));
    expect([event!.data, event!.events & (EPOLLIN | EPOLLHUP)]).toEqual([5, EPOLLIN | EPOLLHUP]);
    await ring.run(epollCtl({ epfd, fd: near, change: "delete" }));
    const controller = new AbortController();
    const nothing = failure(ring.run(epollWait({ epfd }), { signal: controller.signal }));
    controller.abort(new Error("nothing more"));
    expect(await nothing).toMatchObject({ message: "nothing more" });
    for (const fd of [near, epfd]) sys.close(fd);
  });

  test("says why a file cannot be watched", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const epfd = sys.epollCreate();
    using file = memoryFile();
    using ends = pipe();
    const add = (epoll: number, fd: number) => ring.run(epollCtl({ epfd: epoll, fd, change: "add", events: EPOLLIN }));
    expect(await add(epfd, ends.first)).toBe(0);
    expect(await failure(add(epfd, ends.first))).toMatchObject({ code: "EEXIST", operation: "epollCtl" });
    expect(await failure(add(epfd, file.first))).toMatchObject({ code: "EPERM", hint: expect.stringContaining("cannot be watched") });
    expect(await failure(add(file.first, ends.first))).toMatchObject({ code: "EINVAL" });
    expect(await failure(add(epfd, 9999))).toMatchObject({ code: "EBADF" });
    const gone = epollCtl({ epfd, fd: ends.second, change: "delete" });
    expect(await failure(ring.run(gone))).toMatchObject({ code: "ENOENT" });
    sys.close(epfd);
  });
});

const FOREVER = "exec sleep 1000";

describe("waitid", () => {
  const waits = requires(kernelAtLeast("6.7"), "waitid needs Linux 6.7");

  waits("tells how a child ended", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const pid = shell("exit 3");
    const uid = process.getuid!();
    expect(await ring.run(waitid({ type: "pid", id: pid, options: WEXITED | WNOWAIT }))).toEqual({ pid, uid, change: "exited", status: 3 });
    expect(await ring.run(waitid({ type: "pid", id: pid, options: WEXITED }))).toMatchObject({ pid, change: "exited", status: 3 });
    expect(await failure(ring.run(waitid({ type: "pid", id: pid, options: WEXITED })))).toMatchObject({
      code: "ECHILD",
      operation: "waitid",
      hint: expect.stringContaining("no such child"),
    });
  });

  waits("waits for a stop, a continuation and a signal", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const pid = shell(FOREVER);
    const change = (options: number): Promise<ChildStatus | undefined> => ring.run(waitid({ type: "pid", id: pid, options }));
    kill(pid, SIGSTOP);
    expect(await change(WSTOPPED)).toMatchObject({ pid, change: "stopped", status: SIGSTOP });
    kill(pid, SIGCONT);
    expect(await change(WCONTINUED)).toMatchObject({ pid, change: "continued", status: SIGCONT });
    kill(pid, SIGKILL);
    expect(await change(WEXITED)).toMatchObject({ pid, change: "killed", status: SIGKILL });
  });

  waits("tells the signal that killed a child", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const pid = shell(FOREVER);
    const waiting = ring.run(waitid({ type: "pid", id: pid, options: WEXITED }));
    kill(pid, SIGTERM);
    expect(await waiting).toMatchObject({ pid, change: "killed", status: SIGTERM });
  });

  waits("answers undefined when it may not wait, and is cancelled by a signal", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const pid = shell(FOREVER);
    expect(await ring.run(waitid({ type: "pid", id: pid, options: WEXITED | WNOHANG }))).toBeUndefined();
    const controller = new AbortController();
    const waiting = failure(ring.run(waitid({ type: "pid", id: pid, options: WEXITED }), { signal: controller.signal }));
    controller.abort(new Error("enough"));
    expect(await waiting).toMatchObject({ message: "enough" });
    kill(pid, SIGKILL);
    expect(await ring.run(waitid({ type: "pid", id: pid, options: WEXITED }))).toMatchObject({ pid, status: SIGKILL });
    expect(await failure(ring.run(waitid({ type: "pid", id: pid, options: 0 })))).toMatchObject({ code: "EINVAL" });
  });
});

describe("futexes", () => {
  const futexes = requires(kernelAtLeast("6.7"), "futex operations need Linux 6.7");
  const shared = (length: number): Int32Array => new Int32Array(new SharedArrayBuffer(length * 4));

  futexes("wake as many as they are told, and only on their own word", async () => {
    await using ring = await Ring.open({ entries: 32 });
    const words = shared(2);
    const waits = Array.from({ length: 5 }, () => ring.run(futexWait({ words, value: 0 })));
    const other = ring.run(futexWait({ words, index: 1, value: 0 }));
    expect(await ring.run(futexWake({ words, count: 2 }))).toBe(2);
    expect(await ring.run(futexWake({ words, count: 0 }))).toBe(0);
    expect(await ring.run(futexWake({ words }))).toBe(3);
    expect(await Promise.all(waits)).toEqual(["ok", "ok", "ok", "ok", "ok"]);
    expect(await ring.run(futexWake({ words, index: 1 }))).toBe(1);
    expect(await other).toBe("ok");
  });

  futexes("do not wait for a value that is gone, negative ones included", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const words = shared(1);
    expect(await ring.run(futexWait({ words, value: 1 }))).toBe("not-equal");
    expect(await ring.run(futexWaitv({ futexes: [{ words, value: 1 }] }))).toBe("not-equal");
    words[0] = -5;
    const waiting = ring.run(futexWait({ words, value: -5 }));
    expect(await ring.run(futexWake({ words }))).toBe(1);
    expect(await waiting).toBe("ok");
  });

  futexes("match masks", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const words = shared(1);
    const waiting = ring.run(futexWait({ words, value: 0, mask: 0x8000_0001 }));
    expect(await ring.run(futexWake({ words, mask: 2 }))).toBe(0);
    expect(await ring.run(futexWake({ words, mask: 0x8000_0000 }))).toBe(1);
    expect(await waiting).toBe("ok");
  });

  futexes("tell which of several words was woken", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const words = shared(128);
    const list = Array.from({ length: 128 }, (_, index): FutexWord & { value: number } => ({ words, index, value: 0 }));
    const waiting = ring.run(futexWaitv({ futexes: list }));
    expect(await ring.run(futexWake({ words, index: 77 }))).toBe(1);
    expect(await waiting).toBe(77);
  });

  futexes("are cancelled by a signal, and nobody is left to wake", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const words = shared(1);
    for (const operation of [futexWait({ words, value: 0 }), futexWaitv({ futexes: [{ words, value: 0 }] })]) {
      const controller = new AbortController();
      const waiting = failure(ring.run<unknown>(operation, { signal: controller.signal }));
      controller.abort(new Error("enough"));
      expect(await waiting).toMatchObject({ message: "enough" });
    }
    expect(await ring.run(futexWake({ words }))).toBe(0);
  });

  futexes("work between threads: a Worker wakes the main thread", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const words = shared(1);
    const worker = new Worker(new URL("./programs/futex-worker.ts", import.meta.url).href);
    const waiting = ring.run(futexWait({ words, value: 0 }));
    worker.postMessage(words.buffer);
    expect(["ok", "not-equal"]).toContain(await waiting);
    expect(Atomics.load(words, 0)).toBe(1);
    worker.terminate();
  });

  futexes("of several processes are another kind than those of one", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const fd = sys.memfdCreate("futex");
    sys.pwrite(fd, new Uint8Array(4096), 0);
    using one = Arena.map(fd, 0, 4096);
    using two = Arena.map(fd, 0, 4096); // as another process would see it
    const waiting = ring.run(futexWait({ words: one.words(), value: 0, shared: true }));
    expect(await ring.run(futexWake({ words: two.words() }))).toBe(0);
    expect(await ring.run(futexWake({ words: two.words(), shared: true }))).toBe(1);
    expect(await waiting).toBe("ok");
    sys.close(fd);
  });
});
