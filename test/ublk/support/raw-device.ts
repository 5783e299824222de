/** A ublk device that a test serves by hand, command by command: what the kernel does without this library's care. */
import { Ring, UringError, uringCmd } from "uring-ublk";
import { Arena, high32, O_RDWR, PAGE_SIZE, sys } from "uring-ublk/ffi";
import { type AddDevice, abi, type DeviceInfo, type DiskParams, descriptorMap, UblkControl } from "uring-ublk/ublk";
import { sh } from "../../support/disk-tools.ts";

const MiB = 2 ** 20;
const DATA_BYTES = 65536;
/** From the first byte of one queue's descriptors to that of the next, whatever the depth. */
export const STRIDE = Math.ceil((abi.UBLK_MAX_QUEUE_DEPTH * 24) / PAGE_SIZE) * PAGE_SIZE;

export const PARAMS: DiskParams = {
  size: 4 * MiB,
  blockSize: 512,
  physicalBlockSize: 4096,
  ioMin: 512,
  ioOpt: 4096,
  maxIoBytes: DATA_BYTES,
  readOnly: false,
  rotational: false,
  volatileCache: false,
  fua: false,
  maxDiscardBytes: 0,
  discardGranularity: 512,
  maxWriteZeroesBytes: 0,
  dmaAlignmentMask: 0,
};

/** A request as its descriptor has it. */
export interface RawRequest {
  readonly queue: number;
  readonly tag: number;
  readonly op: number;
  readonly flags: number;
  readonly offset: number;
  readonly length: number;
}

/** What a command of a tag carries. */
export interface RawCommand {
  readonly queue?: number;
  readonly result?: number;
  /** In the payload: a buffer, or a slot. Default the tag's memory where the kernel copies. */
  readonly address?: number;
  /** The SQE's own: how the tag's pages are registered by the kernel. */
  readonly registration?: number;
  readonly ring?: Ring;
}

type Handler = (request: RawRequest) => number | Promise<number>;

/** The result of an operation, its negative errno where it fails. */
export function resultOf(operation: Promise<number>): Promise<number> {
  return operation.catch((error: unknown) => {
    if (error instanceof UringError) return error.errno;
    throw error;
  });
}

/** The words of a tag's payload, `struct ublksrv_io_cmd`. */
export function payloadOf(queue: number, tag: number, result: number, address: number): Uint8Array {
  return new Uint8Array(new Int32Array([queue | (tag << 16), result, address | 0, high32(address)]).buffer);
}

export class RawDevice implements AsyncDisposable {
  readonly control: UblkControl;
  readonly info: DeviceInfo;
  readonly fd: number;
  readonly descriptors: readonly Arena[];
  readonly #data: Arena;
  readonly #copies: boolean;
  readonly #rings: Ring[];
  /** Commands given and answered. */
  given = 0;
  answered = 0;
  /** What became of each tag that is served: the last result of its command. */
  readonly ends: Promise<number>[] = [];
  #started = false;
  #closed = false;

  private constructor(control: UblkControl, info: DeviceInfo, ring: Ring) {
    this.control = control;
    this.info = info;
    this.#rings = [ring];
    this.fd = sys.open(`/dev/ublkc${info.id}`, O_RDWR);
    const queues = Array.from({ length: info.queues }, (_, queue) => queue);
    this.descriptors = queues.map((queue) => Arena.map(this.fd, descriptorMap(info, queue).offset, this.descriptorBytes, 1));
    this.#data = Arena.allocate(info.queues * info.depth * DATA_BYTES);
    this.#copies = (info.flags & (abi.UBLK_F_USER_COPY | abi.UBLK_F_SUPPORT_ZERO_COPY | abi.UBLK_F_AUTO_BUF_REG)) === 0;
  }

  static async make({ flags = 0, depth = 1, queues = 1, ...more }: Partial<AddDevice> = {}): Promise<RawDevice> {
    const control = await UblkControl.open();
    const info = await control.addDevice({ queues, depth, maxIoBytes: DATA_BYTES, flags, ...more });
    await control.setParams(info.id, PARAMS);
    await sh(`udevadm settle; test -c "/dev/ublkc$1"`, info.id);
    return new RawDevice(control, info, await Ring.open({ entries: 512 }));
  }

  get path(): string {
    return `/dev/ublkb${this.info.id}`;
  }

  get ring(): Ring {
    return this.#rings[0]!;
  }

  get descriptorBytes(): number {
    return descriptorMap(this.info, 0).length;
  }

  /** Another ring of this thread. */
  async anotherRing(): Promise<Ring> {
    const ring = await Ring.open({ entries: 8 });
    this.#rings.push(ring);
    return ring;
  }

  /** A tag's memory. */
  data(tag: number, queue = 0): Uint8Array<ArrayBuffer> {
    return this.#data.bytes((queue * this.info.depth + tag) * DATA_BYTES, DATA_BYTES);
  }

  /** The words of a tag's descriptor. */
  words(tag: number, queue = 0): Int32Array {
    return this.descriptors[queue]!.words().subarray((tag * this.info.descriptorBytes) / 4, (tag * this.info.descriptorBytes) / 4 + 6);
  }

  /** Gives a command of a tag; answers the result of its CQE. */
  async io(
    op: number,
    tag: number,
    { queue = 0, result = 0, address, registration = 0, ring = this.ring }: RawCommand = {},
  ): Promise<number> {
    const standard = this.#copies ? this.#data.address + (queue * this.info.depth + tag) * DATA_BYTES : 0;
    this.given++;
    const command = { fd: this.fd, cmdOp: op, payload: payloadOf(queue, tag, result, address ?? standard), address: registration };
    const answer = await resultOf(ring.run(uringCmd(command)));
    this.answered++;
    return answer;
  }

  /** The request that a tag's descriptor tells of. */
  request(tag: number, queue = 0): RawRequest {
    const [first = 0, sectors = 0, low = 0, high = 0] = this.words(tag, queue);
    return { queue, tag, op: first & 0xff, flags: first, offset: ((low >>> 0) + high * 2 ** 32) * 512, length: sectors * 512 };
  }

  /** Fetches every tag and answers its requests, at once and whole where the handler is left out. */
  serve(handler: Handler = ({ length }) => length, options: RawCommand = {}): void {
    for (let queue = 0; queue < this.info.queues; queue++)
      for (let tag = 0; tag < this.info.depth; tag++) this.ends.push(this.#serveTag(queue, tag, handler, options));
  }

  async #serveTag(queue: number, tag: number, handler: Handler, options: RawCommand): Promise<number> {
    let arrived = await this.io(abi.UBLK_U_IO_FETCH_REQ, tag, { ...options, queue });
    while (arrived === 0) {
      const result = await handler(this.request(tag, queue));
      arrived = await this.io(abi.UBLK_U_IO_COMMIT_AND_FETCH_REQ, tag, { ...options, queue, result });
    }
    return arrived;
  }

  /** Starts the disk, and waits until nobody looks at it any more. */
  async start(): Promise<void> {
    this.#started = true;
    await this.control.startDevice(this.info.id);
    await sh(`udevadm settle; test -b "$1"`, this.path);
  }

  /** STOP_DEV: the tags are still served meanwhile. */
  async stop(): Promise<void> {
    if (!this.#started) return;
    this.#started = false;
    await sh("udevadm settle"); // who looks at a disk that was written to would be asked for by the next test
    await this.control.stopDevice(this.info.id);
  }

  /** Lets go of everything that keeps the char device open. */
  release(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const end of this.ends) end.catch(() => {});
    for (const ring of this.#rings) ring.abandon();
    for (const arena of this.descriptors) arena.dispose();
    this.#data.dispose();
    sys.close(this.fd);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.release();
    await this.control.deleteDevice(this.info.id).catch((error: { code?: string }) => {
      if (error.code !== "ENODEV") throw error; // deleted by the test
    });
    await this.control.close();
  }
}
