import { closeSync, mkdirSync, openSync } from "node:fs";
import * as api from "uring-ublk";
import { Arena, sys } from "uring-ublk/ffi";
import { Pair, pipe, socketPair, TemporaryFolder, tcpPair } from "./descriptors.ts";
import type { Random } from "./random.ts";
import type { Resources } from "./samples.ts";

type Options = Record<string, unknown>;

/** A descriptor that nobody has, and that none of ours will become. */
const CLOSED = 900_000;

/**
 * What a round of the fuzz test works on, all of it its own: no descriptor of somebody else's, no path outside of its folder, memory that
 * outlives the round.
 */
export class Playground implements Disposable {
  readonly folder = new TemporaryFolder();
  readonly arena = Arena.allocate(65536);
  readonly words = new Int32Array(new SharedArrayBuffer(64));
  readonly files: readonly (number | api.FixedFile)[];
  readonly sockets: readonly (number | api.FixedFile)[];
  readonly #pairs: Pair[] = [pipe(), pipe(), socketPair(), tcpPair(), new Pair(sys.memfdCreate("fuzz"), sys.epollCreate())];
  readonly #dirfd: number;
  readonly #group: api.BufferGroup;
  readonly #sendGroup: api.SendGroup | undefined;
  readonly #mailbox: api.Mailbox;

  constructor(
    readonly random: Random,
    readonly ring: api.Ring,
  ) {
    mkdirSync(this.folder.file("directory"));
    this.#dirfd = openSync(this.folder.path, "r");
    this.#group = ring.bufferGroup({ buffers: 4, size: 256 });
    this.#sendGroup = ring.supports("IORING_FEAT_RECVSEND_BUNDLE") ? ring.sendGroup({ buffers: 4, size: 64 }) : undefined;
    this.#mailbox = ring.mailbox();
    const [one, two, unix, tcp, others] = this.#pairs as [Pair, Pair, Pair, Pair, Pair];
    const slots = [0, 1, 2, 3, 99].map((slot) => new api.FixedFile(slot));
    ring.raw.register.updateFiles(0, [unix.first, one.first, others.first]);
    this.sockets = [unix.first, unix.second, tcp.first, tcp.second, slots[0]!, others.first, CLOSED, -1];
    this.files = [...this.sockets, one.first, one.second, two.first, two.second, others.first, others.second, ...slots];
  }

  get group(): api.BufferGroup {
    return this.#group;
  }

  /** Other resources for each description. */
  resources(): Resources {
    const { random } = this;
    const plain = this.files.filter((file): file is number => typeof file === "number");
    const slot = new api.FixedFile(random.pick([3, 4, 5, 6, 7, 99]));
    return {
      fd: random.pick(plain),
      other: random.pick(plain),
      socket: random.pick(this.sockets.filter((file): file is number => typeof file === "number")),
      slot,
      directory: this.folder.path,
      dirfd: this.#dirfd,
      buffer: random.bytes(random.pick([1, 8, 64, 1500])),
      fixed: new api.FixedBuffer(random.pick([0, 1]), this.arena.address, random.pick([8, 4096]), "memory"),
      arena: this.arena,
      words: this.words,
      group: this.#group,
      sendGroup: this.#sendGroup ?? { id: 9999 },
      mail: this.#mailbox.address,
      target: random.chance(50) ? { slot: random.below(64), generation: random.below(4) } : new api.OperationHandle(),
    };
  }

  /** The options of a sample, changed at random within what is harmless. */
  vary(name: string, options: Options): Options {
    const { random } = this;
    const varied: Options = { ...options };
    for (const [option, value] of Object.entries(options)) {
      if (random.chance(15)) delete varied[option];
      else if (random.chance(50)) varied[option] = this.#other(name, option, value);
    }
    // None of these may wait for ever where a signal does not reach, nor take what is not there to be taken.
    if (name === "timeoutMultishot") varied.count = 1 + random.below(3);
    // On a socket any command that succeeds waits for ever: only a driver that knows multishot commands ends it, and no cancel reaches it.
    if (name === "uringCmdMultishot") varied.fd = CLOSED;
    if (name === "waitid") Object.assign(varied, { type: "pid", id: 1 });
    return varied;
  }

  #other(name: string, option: string, value: unknown): unknown {
    const { random } = this;
    switch (option) {
      case "fd":
      case "fdIn":
      case "fdOut":
      case "epfd":
        return name === "close"
          ? value
          : random.pick(name === "uringCmd" || name === "uringCmd128" ? [CLOSED, -1, this.files.at(-6)] : this.files);
      case "path":
      case "newPath":
      case "oldPath":
        return this.folder.file(random.pick(["file", "file2", "directory", "directory/file", "missing/file"]));
      case "offset":
      case "offsetIn":
      case "offsetOut":
        return random.pick([undefined, 0, 1, 4096, 2 ** 40]);
      case "length":
        return random.pick([1, 8, 4096, 65536]);
      case "slot":
        return random.pick<unknown>(["any", value]);
      case "advice":
        return random.pick([0, 1, 4, 999]); // some kinds of advice take memory away from the machine
      case "ms":
        return random.pick([0, 0.5, 1, 5, 50]);
      case "type":
        return name.startsWith("socket") ? random.pick([1, 2, 3, 99]) : value;
      case "domain":
        return random.pick([1, 2, 10, 44]); // others would load modules
      case "address":
        return this.#address(name, value);
      case "name":
        return typeof value === "number" ? random.pick([3, 7, 8, 9999]) : random.pick(["user.test", "nonsense"]);
      case "flags":
        return this.#flags(name, value);
      case "events":
        return random.pick([0, 1, 4, 5, 0x2000]);
      case "how":
        return random.below(3);
      case "result":
        return random.pick([0, 1, -5, -125]);
      case "index":
        return random.below(16);
      case "value":
        return typeof value === "number" ? random.pick([0, 1, 12345, -1]) : value;
      case "cmdOp":
        return random.word();
      default:
        return typeof value === "boolean" ? random.chance(50) : value;
    }
  }

  #flags(name: string, value: unknown): unknown {
    const { random } = this;
    if (name.startsWith("openat")) {
      const { O_CREAT, O_RDWR, O_EXCL, O_TRUNC, O_DIRECTORY } = api;
      return random.pick([0, O_RDWR, O_CREAT, O_CREAT | O_EXCL, O_RDWR | O_TRUNC, O_DIRECTORY]);
    }
    if (/^(read|write)/.test(name)) return random.pick([0, 1, 8, 0x10, 0x8000]);
    if (/^(send|recv)/.test(name)) return random.pick([0, 0x40, 0x100, 2]);
    return random.chance(50) ? 0 : value;
  }

  #address(name: string, value: unknown): unknown {
    if (typeof value !== "object") return name.startsWith("uringCmd") ? this.arena.address : this.random.chance(50);
    return this.random.pick<unknown>([
      value,
      { family: "unix", abstract: `fuzz-${process.pid}` },
      { family: "ipv6", address: "::1", port: 0 },
    ]);
  }

  [Symbol.dispose](): void {
    this.#mailbox.close();
    for (const pair of this.#pairs) pair[Symbol.dispose]();
    closeSync(this.#dirfd);
    this.folder[Symbol.dispose]();
  }
}

/** Closes what a result hands over, and gives back what it lends. */
export function takeBack(name: string, value: unknown, ring: api.Ring): void {
  if (typeof value === "object" && value !== null) {
    const { fd, reader, writer, release } = value as { fd?: unknown; reader?: unknown; writer?: unknown; release?: () => void };
    for (const end of [fd, reader, writer]) if (typeof end === "number") sys.close(end);
    if (typeof release === "function") release.call(value);
    else if (name === "recvmsg") for (const each of api.descriptorsOf((value as api.ReceivedMessage).control)) sys.close(each);
  } else if (typeof value === "number" && /^(openat2?|socket|accept|acceptMultishot|fixedFdInstall)$/.test(name)) sys.close(value);
  void ring;
}
