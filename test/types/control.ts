/** Operations on operations, messages, tags: what excludes what is a type. */
import {
  cancel,
  FixedBuffer,
  FixedFile,
  type ImpersonalOperation,
  type Mailbox,
  type Message,
  msgRing,
  msgRingFd,
  nop,
  OperationHandle,
  pollMultishot,
  pollUpdate,
  Ring,
  timeout,
  timeoutMultishot,
  timeoutUpdate,
  uringCmd,
  uringCmdMultishot,
} from "uring-ublk";
import { RawRing } from "uring-ublk/uring";
import { expectType, type Same } from "./expect-type.ts";

const ring = await Ring.open();
const handle = new OperationHandle();
const slot = new FixedFile(1);
const group = ring.bufferGroup({ buffers: 8, size: 64 });
const fixed = new FixedBuffer(0, 0, 8, "memory");

void ring.run(timeout({ ms: 1 }), { handle });
// @ts-expect-error a handle, not its target
void ring.run(timeout({ ms: 1 }), { handle: { slot: 1, generation: 1 } });

// A cancel says what it is about, and "any" stands alone.
cancel({ target: handle });
cancel({ target: { slot: 1, generation: 2 }, opcode: 3, all: true });
cancel({ fd: slot, opcode: 3 });
cancel({ any: true });
// @ts-expect-error nothing to choose by
cancel({});
// @ts-expect-error only how many
cancel({ all: true });
// @ts-expect-error everything, or by descriptor
cancel({ any: true, fd: 3 });
// @ts-expect-error everything is everything
cancel({ any: false });
// @ts-expect-error the number of the opcode
cancel({ opcode: "read" });

// Timers.
expectType<Same<ReturnType<typeof tick>, AsyncIterableIterator<"elapsed">>>();
const tick = () => ring.run(timeoutMultishot({ ms: 1 }));
// @ts-expect-error a ticking timer has no single end
void ring.settle(timeoutMultishot({ ms: 1 }));
// @ts-expect-error nor a point in time
timeoutMultishot({ ms: 1, absolute: true });
// @ts-expect-error one of three clocks
timeout({ ms: 1, clock: "cpu" });
// @ts-expect-error a timer keeps its clock
timeoutUpdate({ target: handle, ms: 1, clock: "realtime" });
// @ts-expect-error which timer
timeoutUpdate({ ms: 1 });

// Polls.
expectType<Same<ReturnType<typeof polls>, AsyncIterableIterator<number>>>();
const polls = () => ring.run(pollMultishot({ fd: slot, events: 1 }));
// @ts-expect-error the raw layer alone names the user_data
pollUpdate({ target: handle, events: 1, userData: 5 });

// Messages: no personality, and files come out of a table and go into one.
using mailbox: Mailbox = ring.mailbox();
expectType<Same<ReturnType<typeof send>, ImpersonalOperation<void>>>();
const send = () => msgRing({ to: mailbox.address });
void ring.run(send());
// @ts-expect-error the kernel refuses it
send().personality(1);
nop().personality(1).async().drain();
const sent = await ring.run(msgRingFd({ to: mailbox.address, source: slot, slot: "any" }));
expectType<Same<typeof sent, FixedFile>>();
// @ts-expect-error a descriptor is in no table
msgRingFd({ to: mailbox.address, source: 3, slot: "any" });
// @ts-expect-error a message with data is always told
msgRing({ to: mailbox.address, silent: true });
// @ts-expect-error only data has a result
msgRingFd({ to: mailbox.address, source: slot, slot, result: 1 });
for await (const message of mailbox) expectType<Same<typeof message, Message>>();

// Commands.
uringCmd({ fd: slot, cmdOp: 1, buffer: fixed });
// @ts-expect-error memory of the caller is no fixed buffer
uringCmd({ fd: slot, cmdOp: 1, buffer: new Uint8Array(8) });
uringCmdMultishot({ fd: slot, cmdOp: 1, group });
// @ts-expect-error a group, not a fixed buffer
uringCmdMultishot({ fd: slot, cmdOp: 1, buffer: fixed });

// What the kernel has is asked by its own names.
ring.supports(nop());
ring.supports("IORING_TIMEOUT_MULTISHOT");
// @ts-expect-error misspelt
ring.supports("IORING_TIMEOUT_MULTI");

// Raw: tags are not mailboxes, and a mailbox is no tag.
const raw = new RawRing();
raw.register.files([1], [raw.tag(() => {})]);
// @ts-expect-error a mailbox is for messages
raw.register.files([1], [raw.mailbox(() => {})]);
// @ts-expect-error the ring's registrations, not the ring
raw.register.cloneBuffers({ source: raw });
// @ts-expect-error sizes are numbers
raw.resize({ entries: "64" });
