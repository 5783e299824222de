/**
 * bench/floor/echo_server.c in TypeScript, on the raw layer: a multishot accept, a multishot receive per connection into a common ring
 * of buffers, plain sends from those buffers. Prints "port N" when it listens; a signal ends it.
 */
import { bind, listen, MSG_NOSIGNAL, Ring, SOCK_STREAM, socket, socketName } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";

const BUFFERS = 256;
const SIZE = 2048;
const GROUP = 1;
const AF_INET = 2;
const { IORING_CQE_F_BUFFER: F_BUFFER, IORING_CQE_F_MORE: F_MORE, IORING_CQE_BUFFER_SHIFT: BUFFER_SHIFT } = abi;
const ENOBUFS = -105;

class EchoServer {
  private readonly ring = new RawRing({ entries: 256, cqEntries: 1024, taskrun: "defer" });
  private readonly buffers = this.ring.bufferRing({ group: GROUP, buffers: BUFFERS, size: SIZE });
  private readonly fds = new Int32Array(1024); // by slot: the connection it receives from or sends to
  private readonly sendSlots = new Int32Array(BUFFERS);
  private readonly bufferOf = new Int32Array(1024); // by slot of a send
  private readonly sent = new Int32Array(BUFFERS); // of the data in each buffer
  private readonly lengths = new Int32Array(BUFFERS);

  constructor(private readonly listening: number) {
    const onSent = (result: number, _flags: number, slot: number): void => this.onSent(result, slot);
    for (let buffer = 0; buffer < BUFFERS; buffer++) {
      const slot = this.ring.allocate(onSent);
      this.sendSlots[buffer] = slot;
      this.bufferOf[slot] = buffer;
    }
  }

  run(): never {
    const accept = this.ring.allocate((fd, flags) => this.onAccepted(fd, flags, accept), "many");
    this.ring.acceptMultishot(accept, this.listening, 0, 0);
    for (;;) {
      this.ring.enter(1);
      this.ring.reap();
    }
  }

  private onAccepted(fd: number, flags: number, accept: number): void {
    if (fd < 0) throw new Error(`accept failed with ${fd}`);
    const slot = this.ring.allocate(this.onReceived, "many");
    this.fds[slot] = fd;
    this.ring.recvMultishot(slot, fd, GROUP, 0);
    if ((flags & F_MORE) === 0) this.ring.acceptMultishot(accept, this.listening, 0, 0);
  }

  private readonly onReceived = (result: number, flags: number, slot: number): void => {
    if ((flags & F_BUFFER) !== 0) {
      const buffer = flags >>> BUFFER_SHIFT;
      this.sent[buffer] = 0;
      this.lengths[buffer] = result;
      if (result > 0) this.send(buffer, this.fds[slot]!);
      else this.giveBack(buffer);
    }
    if ((flags & F_MORE) === 0) this.receiveEnded(result, slot);
  };

  private receiveEnded(result: number, slot: number): void {
    if (result > 0 || result === ENOBUFS) {
      this.ring.recvMultishot(slot, this.fds[slot]!, GROUP, 0); // the queue or the group ran over: start it again
      return;
    }
    sys.close(this.fds[slot]!);
    this.ring.release(slot);
  }

  private send(buffer: number, fd: number): void {
    const slot = this.sendSlots[buffer]!;
    const sent = this.sent[buffer]!;
    this.fds[slot] = fd;
    this.ring.send(slot, fd, this.buffers.address(buffer) + sent, this.lengths[buffer]! - sent, MSG_NOSIGNAL);
  }

  private giveBack(buffer: number): void {
    this.buffers.give(buffer);
    this.buffers.publish();
  }

  private onSent(result: number, slot: number): void {
    const buffer = this.bufferOf[slot]!;
    if (result > 0) this.sent[buffer] = this.sent[buffer]! + result;
    if (result > 0 && this.sent[buffer]! < this.lengths[buffer]!) this.send(buffer, this.fds[slot]!);
    else this.giveBack(buffer); // a broken connection shows in its receive
  }
}

async function listenSomewhere(): Promise<number> {
  await using ring = await Ring.open({ entries: 8 });
  const fd = await ring.run(socket({ domain: AF_INET, type: SOCK_STREAM }));
  await ring.run(bind({ fd, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
  await ring.run(listen({ fd, backlog: 1024 }));
  return fd;
}

const fd = await listenSomewhere();
const name = socketName(fd);
console.log(`port ${name.family === "ipv4" ? name.port : 0}`);
new EchoServer(fd).run();
