import { describe, expect, test } from "bun:test";
import {
  FixedFile,
  type MailAddress,
  msgRing,
  msgRingFd,
  nop,
  type Operation,
  openatDirect,
  Ring,
  read,
  sendMessage,
  type UringError,
} from "uring-ublk";
import { abi, RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { memoryFile, pattern } from "./support/descriptors.ts";

const blind = requires(kernelAtLeast("6.13"), "messages without a ring need Linux 6.13");

describe("a message", () => {
  test("arrives in a mailbox of another ring, and of the same one", async () => {
    await using here = await Ring.open({ entries: 8 });
    await using there = await Ring.open({ entries: 8 });
    for (const to of [there, here]) {
      using mailbox = to.mailbox();
      expect(await here.run(msgRing({ to: mailbox.address, result: -7 }))).toBeUndefined();
      await here.run(msgRing({ to: mailbox.address }));
      const arrived: number[] = [];
      for await (const { result, flags } of mailbox) {
        expect(flags).toBe(0);
        if (arrived.push(result) === 2) break;
      }
      expect(arrived).toEqual([-7, 0]);
    }
    expect(here.raw.failure).toBeUndefined();
    expect(there.raw.failure).toBeUndefined();
  });

  const flagged = requires(kernelAtLeast("6.3"), "needs Linux 6.3");
  flagged("carries CQE flags, also one that announces more", async () => {
    await using here = await Ring.open({ entries: 8 });
    await using there = await Ring.open({ entries: 8 });
    using mailbox = there.mailbox();
    const messages = mailbox[Symbol.asyncIterator]();
    for (const flags of [abi.IORING_CQE_F_MORE, 0x1234_0000, abi.IORING_CQE_F_NOTIF]) {
      await here.run(msgRing({ to: mailbox.address, result: 1, flags }));
      expect((await messages.next()).value).toEqual({ result: 1, flags });
    }
    expect(there.raw.inFlight).toBe(1); // the mailbox itself
    expect(there.raw.failure).toBeUndefined();
  });

  test("reaches a raw mailbox between the ring's own operations", () => {
    using here = new RawRing({ entries: 8 });
    using there = new RawRing({ entries: 8 });
    const results: number[] = [];
    using mailbox = there.mailbox((result) => results.push(result));
    expect(there.inFlight).toBe(1);
    const { fd, slot, generation } = mailbox.address;
    expect(mailbox.userData).toBe((BigInt(generation) << 32n) | BigInt(slot));
    const sending = here.allocate((result) => expect(result).toBe(0));
    const own = there.allocate((result) => results.push(result));
    for (let i = 0; i < 3; i++) {
      here.msgRing(sending, fd, slot, generation, 40 + i, 0, 0);
      there.nop(own);
      here.enter(1);
      here.reap();
      there.enter(2);
      there.reap();
    }
    expect(results.sort((a, b) => a - b)).toEqual([0, 0, 0, 40, 41, 42]);
    mailbox.close();
    expect([there.inFlight, there.failure]).toEqual([0, undefined]);
    there.release(own);
  });

  test("to a user_data that nobody has fails the ring that gets it", () => {
    using here = new RawRing({ entries: 8 });
    using there = new RawRing({ entries: 8 });
    here.msgRing(
      here.allocate(() => {}),
      there.fd,
      3,
      99,
      0,
      0,
      0,
    );
    here.enter(1);
    there.enter(1);
    there.reap();
    expect(String(there.failure)).toContain("does not belong to an operation in flight");
  });

  test("that comes after the mailbox was closed is dropped", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const mailbox = ring.mailbox();
    const { address } = mailbox;
    await ring.run(msgRing({ to: address, result: 1 }));
    mailbox.close();
    mailbox.close();
    const left: number[] = [];
    for await (const { result } of mailbox) left.push(result);
    expect(left).toEqual([1]); // what had arrived is given out
    await ring.run(msgRing({ to: address, result: 2 }));
    using next = ring.mailbox();
    expect(next.address).not.toEqual(address);
    expect(await ring.run(nop())).toBe(0);
    expect(ring.raw.failure).toBeUndefined();
  });

  test("is refused with the kernel's reason", async () => {
    await using ring = await Ring.open({ entries: 8 });
    await using disabled = await Ring.open({ entries: 8, disabled: true });
    using file = memoryFile();
    const to = (fd: number): MailAddress => ({ fd, slot: 0, generation: 0 });
    const reason = async (fd: number) => ((await ring.settle(msgRing({ to: to(fd) }))) as { reason: UringError }).reason.code;
    expect(await reason(file.first)).toBe("EBADFD");
    expect(await reason(1_000_000)).toBe("EBADF");
    expect(await reason(disabled.raw.fd)).toBe("EBADFD");
    expect(() => (msgRing({ to: to(0) }) as Operation<void>).personality(1)).toThrow(/refuses it with a personality/);
    expect(await ring.settle(msgRing({ to: { fd: 0 } as never }))).toMatchObject({ reason: { name: "RangeError" } });
    disabled.raw.register.enable();
  });

  test("does not keep a ring from closing, and ends with it", async () => {
    const ring = await Ring.open({ entries: 8 });
    const mailbox = ring.mailbox();
    const ended = (async () => {
      for await (const _ of mailbox);
      return "ended";
    })();
    await ring.close();
    expect(await ended).toBe("ended");
    mailbox.close();
    expect(() => ring.mailbox()).toThrow(/closed/);
  });
});

describe("a file sent to another ring", () => {
  test("is put into a slot that is named, or chosen", async () => {
    await using here = await Ring.open({ entries: 8, fixedFiles: 2 });
    await using there = await Ring.open({ entries: 8, fixedFiles: 4 });
    using file = memoryFile(pattern(10));
    using mailbox = there.mailbox();
    const messages = mailbox[Symbol.asyncIterator]();
    here.raw.register.updateFiles(1, [file.first]);
    const source = new FixedFile(1);
    there.raw.register.fileAllocRange(2, 1);
    const chosen = await here.run(msgRingFd({ to: mailbox.address, source, slot: "any" }));
    expect(chosen).toEqual(new FixedFile(2));
    expect((await messages.next()).value).toEqual({ result: 2, flags: 0 });
    const named = await here.run(msgRingFd({ to: mailbox.address, source, slot: new FixedFile(0) }));
    expect(named).toEqual(new FixedFile(0));
    expect((await messages.next()).value).toEqual({ result: 0, flags: 0 });
    await here.run(msgRingFd({ to: mailbox.address, source, slot: new FixedFile(3), silent: true }));
    await here.run(msgRing({ to: mailbox.address, result: 99 }));
    expect((await messages.next()).value).toEqual({ result: 99, flags: 0 }); // nothing before it
    for (const slot of [0, 2, 3]) {
      const buffer = new Uint8Array(10);
      expect(await there.run(read({ fd: new FixedFile(slot), buffer, offset: 0 }))).toBe(10);
      expect(buffer).toEqual(pattern(10));
    }
  });

  test("is refused with the kernel's reason", async () => {
    await using here = await Ring.open({ entries: 8, fixedFiles: 2 });
    await using there = await Ring.open({ entries: 8 });
    using mailbox = there.mailbox();
    using own = here.mailbox();
    const failing = async (operation: Parameters<Ring["settle"]>[0]) =>
      ((await here.settle(operation)) as { reason: UringError }).reason.code;
    expect(await failing(msgRingFd({ to: mailbox.address, source: new FixedFile(1), slot: "any" }))).toBe("EBADF");
    const source = await here.run(openatDirect({ path: "/proc/version", slot: "any" }));
    expect(await failing(msgRingFd({ to: mailbox.address, source, slot: new FixedFile(0) }))).toBe("ENXIO");
    expect(await failing(msgRingFd({ to: own.address, source, slot: new FixedFile(1) }))).toBe("EINVAL");
    expect(await here.settle(msgRingFd({ to: mailbox.address, source: 1 as never, slot: "any" }))).toMatchObject({
      reason: { name: "TypeError" },
    });
  });
});

describe("a message without a ring", () => {
  blind("arrives as any other", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using mailbox = ring.mailbox();
    sendMessage(mailbox.address, { result: 5, flags: 0x10000 });
    sendMessage(mailbox.address);
    const messages = mailbox[Symbol.asyncIterator]();
    expect((await messages.next()).value).toEqual({ result: 5, flags: 0x10000 });
    expect((await messages.next()).value).toEqual({ result: 0, flags: 0 });
  });

  blind("is refused with the kernel's reason", () => {
    expect(() => sendMessage({ fd: 1_000_000, slot: 0, generation: 0 })).toThrow(/io_uring_register: EBADF/);
    expect(() => sendMessage({ fd: 0, slot: 0, generation: 0 }, { result: 2 ** 40 })).toThrow(RangeError);
  });
});

describe("messages between Workers", () => {
  for (const silentSender of [false, true]) {
    const t = silentSender ? blind : test;
    t(`arrive in both directions${silentSender ? ", also from a thread that uses no ring for it" : ""}`, async () => {
      await using ring = await Ring.open({ entries: 8 });
      using mailbox = ring.mailbox();
      const worker = new Worker(new URL("./programs/mail-worker.ts", import.meta.url).href);
      const answers: { address?: MailAddress; sum?: number }[] = [];
      let wake = (): void => {};
      worker.onmessage = ({ data }) => {
        answers.push(data);
        wake();
      };
      const answer = async () => {
        while (answers.length === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        return answers.shift()!;
      };
      const { address } = await answer();
      worker.postMessage({ to: mailbox.address, blind: silentSender });
      for (const result of [10, 20, 30, 0]) await ring.run(msgRing({ to: address!, result }));
      let sum = 0;
      let seen = 0;
      for await (const { result } of mailbox) {
        sum += result;
        if (++seen === 50) break;
      }
      expect(sum).toBe(1275);
      expect(await answer()).toEqual({ sum: 60 });
      worker.terminate();
    });
  }
});
