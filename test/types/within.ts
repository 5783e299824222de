/** A time limit changes nothing about an operation's type, and what completes many times cannot have one. */
import {
  msgRing,
  nop,
  type Operation,
  pollMultishot,
  Ring,
  recvMultishot,
  type Settled,
  sendZc,
  TimeLimitError,
  timeout,
  timeoutMultishot,
  type UringError,
  within,
  type ZeroCopySend,
} from "uring-ublk";
import { expectType, type Same } from "./expect-type.ts";

const ring = await Ring.open();

const count = await ring.run(within(nop(), 5));
expectType<Same<typeof count, number>>();
const how = await ring.run(within(timeout({ ms: 1 }), 5));
expectType<Same<typeof how, "elapsed" | "completions">>();
const sent = await ring.run(within(sendZc({ fd: 3, buffer: new Uint8Array(8) }), 0.5));
expectType<Same<typeof sent, ZeroCopySend>>();
const settled = await ring.settle(within(within(nop(), 5).drain(), 10), { signal: AbortSignal.timeout(1) });
expectType<Same<typeof settled, Settled<number>>>();

const limited: Operation<number> = within(nop(), 5);
expectType<Same<typeof limited.timeLimit, number | undefined>>();
const error: UringError = new TimeLimitError("nop", 5);
if (error instanceof TimeLimitError) expectType<Same<typeof error.ms, number>>();

const group = ring.bufferGroup({ buffers: 8, size: 1024 });
// @ts-expect-error it completes many times
within(timeoutMultishot({ ms: 1 }), 5);
// @ts-expect-error it completes many times
within(pollMultishot({ fd: 3, events: 1 }), 5);
// @ts-expect-error it completes many times
within(recvMultishot({ fd: 3, group }), 5);
// @ts-expect-error no operation
within(ring.run(nop()), 5);
// @ts-expect-error milliseconds are a number
within(nop(), "5 ms");
// @ts-expect-error a limit is a number of milliseconds
within(nop());
// @ts-expect-error the kernel refuses a personality, also within a limit
within(msgRing({ to: ring.mailbox().address, result: 1 }), 5).personality(1);
