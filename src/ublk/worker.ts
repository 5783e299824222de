/**
 * The program of a serving Worker: imports the target's module, attaches it, and serves one queue or its share of one.
 *
 * A serving thread must not die: what would end it becomes a message, and it goes on serving until the device has stopped.
 *
 * @module
 */
import { sys } from "../ffi/index.ts";
import { checkAttachment, importTarget } from "./inline.ts";
import { becomeIoFlusher } from "./io-flusher.ts";
import { UblkQueue } from "./queue.ts";
import { whenQuiet } from "./quiet.ts";
import { Attached } from "./reload-thread.ts";
import { forgetSharedBuffer, forgetSharedBuffers } from "./shared-buffers.ts";
import { SharedTable } from "./shared-table.ts";
import { SlowRequests } from "./slow-requests.ts";
import {
  ABORT,
  ALIVE,
  type AttachMessage,
  COMMAND,
  DEPART,
  FORGET,
  type FromWorker,
  HEARD,
  LEFT,
  LOOK,
  LOOK_MS,
  NOT_YET,
  OPENED,
  OPENING,
  PING,
  QUEUE_STATE,
  REFUSE,
  REFUSE_MS,
  SHUT,
  type ToWorker,
} from "./worker-protocol.ts";

declare const self: { postMessage(message: FromWorker): void; onmessage: ((event: { data: ToWorker }) => void) | null };

let queue: UblkQueue | undefined;
let attached: Attached | undefined;
let words: Int32Array | undefined;
let started = false;

// The real ones, before they are refused to everybody else.
const internals = process as unknown as { reallyExit: (code?: number) => never };
const { reallyExit } = internals;
const { exit } = process;

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** Posts a message; an error that cannot be cloned is replaced by one with the same text. */
function post(message: FromWorker): void {
  try {
    self.postMessage(message);
  } catch {
    if ("error" in message) self.postMessage({ ...message, error: new Error(String(message.error)) });
  }
}

function detach(): void {
  try {
    attached?.detach();
  } catch (error) {
    post({ type: "fatal", error: asError(error) });
  }
}

function close(): void {
  if (queue === undefined || queue.closed) return;
  queue.close();
  forgetSharedBuffers(); // they are unmapped once this thread has shut its queue
  if (words !== undefined) Atomics.store(words, QUEUE_STATE, SHUT);
  detach();
  post({ type: "closed" });
}

/**
 * Ends this thread with its queue open. Linux 6.12 can lose a request that arrives while a ring is closed beside a living
 * thread, and its client with it; a thread that exits first answers all that has arrived.
 */
function leave(): void {
  if (queue === undefined || queue.closed) return;
  queue.driver.stop();
  detach();
  if (words !== undefined) Atomics.store(words, QUEUE_STATE, LEFT);
  internals.reallyExit = reallyExit;
  exit.call(process, 0);
}

function stayAlive(): void {
  const fatal = (error: unknown): void => post({ type: "fatal", error: asError(error) });
  process.on("uncaughtException", fatal);
  process.on("unhandledRejection", fatal);
  const refused = (code?: number | string | null): never => {
    const error = new Error(`process.exit(${code ?? ""}) was called in a thread that serves a disk; the disk is stopped instead`);
    fatal(error);
    throw error;
  };
  process.exit = refused;
  internals.reallyExit = refused;
}

function look(slow: SlowRequests, shared: Int32Array): void {
  const report = slow.find(Atomics.load(shared, LOOK_MS));
  Atomics.store(shared, HEARD, 1);
  if (report !== undefined) post({ type: "slow", report });
}

function forgetLeaving(memory: SharedArrayBuffer): void {
  const table = new SharedTable(memory);
  forgetSharedBuffer(table.leaving);
  table.left();
}

async function attach(message: AttachMessage): Promise<void> {
  const { spec, cpus, doorbell, commands } = message;
  const shared = (words = new Int32Array(commands));
  becomeIoFlusher(); // before the target starts threads of its own
  if (cpus.length > 0) sys.schedSetAffinity(sys.gettid(), cpus);
  const target = await importTarget(message.module);
  if (Atomics.compareExchange(shared, OPENING, NOT_YET, OPENED) !== NOT_YET) throw new Error("the device was given up");
  queue = new UblkQueue(spec, {
    requestError: (error, op, offset, length) => post({ type: "requesterror", error: asError(error), op, offset, length }),
    failed: (error) => post({ type: "fatal", error }),
    broken: (error) => {
      post({ type: "broken", error });
      setImmediate(leave);
    },
    drained: () => {
      queue!.driver.yield();
      setImmediate(close);
    },
  });
  const slow = new SlowRequests(queue);
  queue.doorbell(doorbell, () => {
    const command = Atomics.exchange(shared, COMMAND, 0);
    if ((command & REFUSE) !== 0) queue!.refuse(Atomics.load(shared, REFUSE_MS));
    if ((command & LOOK) !== 0) look(slow, shared);
    if ((command & FORGET) !== 0) forgetLeaving(spec.sharedMemory!);
    if ((command & DEPART) !== 0) void whenQuiet(queue!).then(close);
    if ((command & PING) !== 0) Atomics.store(shared, ALIVE, 1);
    // Before it serves, nothing can arrive, and whoever gives it up may not have heard of what it holds.
    if ((command & ABORT) !== 0) setImmediate(() => (started ? leave() : close()));
  });
  post({ type: "opened", resources: queue.resources, tid: sys.gettid() });
  const attachment = checkAttachment(await target.attach(queue, message.shared), message.module);
  attached = new Attached(queue, message.module, message.shared, attachment);
  post({ type: "attached", capabilities: attached.capabilities });
}

function begin(message: AttachMessage): void {
  stayAlive();
  attach(message).catch((error: unknown) => {
    queue?.close();
    if (words !== undefined) Atomics.store(words, QUEUE_STATE, SHUT);
    post({ type: "failed", error: asError(error) });
  });
}

function prepare(): void {
  attached!.prepare().then(
    (capabilities) => post({ type: "prepared", capabilities }),
    (error: unknown) => post({ type: "unprepared", error: asError(error) }),
  );
}

function exchange(limitMs: number): void {
  attached!.exchange(limitMs).then(
    (done) => post({ type: "exchanged", done }),
    (error: unknown) => {
      post({ type: "exchanged", done: true }); // it is in force: the old code's detach has thrown
      post({ type: "fatal", error: asError(error) });
    },
  );
}

self.onmessage = ({ data }) => {
  switch (data.type) {
    case "attach":
      return begin(data);
    case "start":
      started = true;
      return queue!.start(attached!.handler);
    case "prepare":
      return prepare();
    case "exchange":
      return exchange(data.limitMs);
    case "discard":
      return attached!.discard();
  }
};
