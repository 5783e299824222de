/** What an operation resolves to is part of its type. */
import {
  type BufferGroup,
  type Chunk,
  closeDirect,
  type FixedFile,
  nop,
  type Operation,
  openatDirect,
  Ring,
  read,
  recvMultishot,
  type Settled,
  sendZc,
  timeout,
  type ZeroCopySend,
} from "uring-ublk";
import { expectType, type Same } from "./expect-type.ts";

const ring = await Ring.open();
const group: BufferGroup = ring.bufferGroup({ buffers: 8, size: 1024 });

const count = await ring.run(nop());
expectType<Same<typeof count, number>>();
const how = await ring.run(timeout({ ms: 1 }));
expectType<Same<typeof how, "elapsed" | "completions">>();
const slot = await ring.run(openatDirect({ path: "/tmp/x", slot: "any" }));
expectType<Same<typeof slot, FixedFile>>();
const sent = await ring.run(sendZc({ fd: 3, buffer: new Uint8Array(8) }));
expectType<Same<typeof sent, ZeroCopySend>>();
expectType<Same<typeof sent.released, Promise<void>>>();
closeDirect({ slot });

// settle never rejects, and tells the two ends apart.
const settled = await ring.settle(nop());
expectType<Same<typeof settled, Settled<number>>>();
if (settled.status === "fulfilled") expectType<Same<typeof settled.value, number>>();
else expectType<Same<typeof settled.reason, unknown>>();
// @ts-expect-error not before the status was looked at
void settled.value;

// A multishot operation is iterated, not awaited.
for await (const chunk of ring.run(recvMultishot({ fd: 3, group }))) expectType<Same<typeof chunk, Chunk>>();
// @ts-expect-error it has no single value
const value: Chunk = await ring.run(recvMultishot({ fd: 3, group }));
void value;
// @ts-expect-error nor does it settle
ring.run(recvMultishot({ fd: 3, group })).then(() => {});
// @ts-expect-error nor can it be settled
void ring.settle(recvMultishot({ fd: 3, group }));
// @ts-expect-error and a single operation is awaited, not iterated
for await (const _ of ring.run(nop())) break;

// Descriptions are immutable.
const operation: Operation<number> = nop();
// @ts-expect-error a description does not change
operation.options = {};
// @ts-expect-error results do not mix
const other: Operation<FixedFile> = read({ fd: 3, buffer: new Uint8Array(1) });
void other;
