/** A plan's result has the plan's shape, and what cannot be a part of one does not compile. */
import {
  acceptMultishot,
  all,
  type ChainOutcome,
  chain,
  close,
  deadline,
  fsync,
  group,
  nop,
  type Operation,
  openat,
  openatDirect,
  type Part,
  Ring,
  read,
  recvMultishot,
  retry,
  type Settled,
  step,
  timeout,
  type Unsuccessful,
  within,
  write,
} from "uring-ublk";
import { expectType, type Same } from "./expect-type.ts";

const ring = await Ring.open();
const buffer = new Uint8Array(8);

// chain: a tuple, and each step sees what the one before resolved to.
const copied = await ring.run(
  chain(
    openat({ path: "/tmp/x" }),
    step((fd) => {
      expectType<Same<typeof fd, number>>();
      return chain(read({ fd, buffer }).exact(), timeout({ ms: 1 }), close({ fd }).always());
    }),
    step(([bytes, how, closed]) => {
      expectType<Same<[typeof bytes, typeof how, typeof closed], [number, "elapsed" | "completions", number]>>();
      return nop();
    }),
  ),
);
expectType<Same<typeof copied, [number, [number, "elapsed" | "completions", number], number]>>();

const outcome = await ring.settle(chain(nop(), timeout({ ms: 1 })));
expectType<Same<typeof outcome, ChainOutcome<readonly [Settled<number>, Settled<"elapsed" | "completions">]>>>();
if (outcome.status !== "fulfilled") expectType<Same<typeof outcome.reason, unknown>>();
const [, second] = outcome.steps;
if (second.status === "fulfilled") expectType<Same<typeof second.value, "elapsed" | "completions">>();

// Longer than eight, and hard.
const many = await ring.run(chain(nop(), nop(), nop(), nop(), nop(), nop(), nop(), nop(), timeout({ ms: 1 })));
expectType<Same<(typeof many)[8], "elapsed" | "completions">>();
const hard = await ring.run(chain.hard(nop(), timeout({ ms: 1 }).always()));
expectType<Same<typeof hard, [number, "elapsed" | "completions"]>>();
const made = step(() => nop());
// @ts-expect-error what a step of a hard chain is made of may be missing
chain.hard(nop(), made);
// @ts-expect-error there is nothing before the first
chain(made);

// all, of a tuple and of a list.
const both = await ring.run(all(nop(), chain(nop(), timeout({ ms: 1 }))));
expectType<Same<typeof both, [number, [number, "elapsed" | "completions"]]>>();
const list: Operation<number>[] = [nop()];
const each = await ring.run(all(...list));
expectType<Same<typeof each, number[]>>();
// @ts-expect-error made of nothing
all(made);
// @ts-expect-error a meaning only in a chain
all(nop().always());

// group: leader and members, which may be made of what the leader resolved to.
const grouped = await ring.run(
  group(openatDirect({ path: "/tmp/x", slot: "any" }), [step((fd) => read({ fd, buffer })), timeout({ ms: 1 })], {
    release: step((fd) => fsync({ fd })),
    onFailure: "cancel",
  }),
);
expectType<Same<(typeof grouped)["members"][0], number>>();
expectType<Same<(typeof grouped)["members"][1], "elapsed" | "completions">>();
const told = await ring.settle(group(nop(), [nop(), step((n: number) => chain(nop({ result: n })))]));
expectType<Same<(typeof told)["members"][0], Settled<number>>>();
expectType<Same<(typeof told)["members"][1], ChainOutcome<readonly [Settled<number>]> | Unsuccessful>>();
await ring.run(group(nop(), list));
// @ts-expect-error a group has members
group(nop(), []);
// @ts-expect-error draining belongs to no member
group(nop(), [nop().drain()]);
// @ts-expect-error nor does a link timeout
group(nop(), [within(nop(), 5)]);
// @ts-expect-error nor at its head
group(within(nop(), 5), [nop()]);
// @ts-expect-error there are two ways
group(nop(), [nop()], { onFailure: "stop" });

// What is never over, and what drains, is no part.
// @ts-expect-error it completes many times
chain(nop(), acceptMultishot({ fd: 3 }));
// @ts-expect-error it completes many times
deadline(recvMultishot({ fd: 3, group: ring.bufferGroup({ buffers: 1, size: 1 }) }), 5);
// @ts-expect-error the plan orders its parts
chain(nop().drain(), nop());
// @ts-expect-error the plan orders its parts
retry(nop().drain(), { attempts: 2 });
chain(within(nop(), 5), nop());
await ring.run(nop().drain());

// deadline and retry keep the value.
const timely = await ring.run(deadline(chain(nop()), 5));
expectType<Same<typeof timely, [number]>>();
const stubborn = await ring.run(retry(timeout({ ms: 1 }), { attempts: 3, on: ["EAGAIN"], delay: (attempts) => attempts }));
expectType<Same<typeof stubborn, "elapsed" | "completions">>();
// @ts-expect-error how often
retry(nop(), {});

// exact is for what moves bytes.
const whole: Part<number, Settled<number>> = write({ fd: 3, buffer }).exact();
chain(whole, read({ fd: 3, buffer }).allowShort());
// @ts-expect-error a NOP moves nothing
nop().exact();
// @ts-expect-error nor does a sync
fsync({ fd: 3 }).allowShort();

// @ts-expect-error a handle names one operation
await ring.run(chain(nop()), { handle: {} });

// A prepared plan has the plan's types.
const reading = read({ fd: 3, buffer });
const prepared = ring.prepare(chain(reading, openat({ path: "/" })));
const ran = await prepared.run([[reading, read({ fd: 4, buffer })]]);
expectType<Same<typeof ran, [number, number]>>();
expectType<Same<typeof prepared.value, [number, number]>>();
const tree = await prepared.settle();
expectType<Same<typeof tree, ChainOutcome<readonly [Settled<number>, Settled<number>]>>>();
prepared.start(({ value: [bytes] }) => expectType<Same<typeof bytes, number>>());
// @ts-expect-error pairs
prepared.run([reading]);
// @ts-expect-error it is never over
ring.prepare(acceptMultishot({ fd: 3 }));
// @ts-expect-error the plan orders its parts
ring.prepare(nop().drain());
