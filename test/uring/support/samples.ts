import * as api from "uring-ublk";
import { Arena } from "uring-ublk/ffi";

/** What operations work on in a test: everything harmless. */
export interface Resources {
  /** Any descriptor. */
  readonly fd: number;
  /** A second one, for operations with two. */
  readonly other: number;
  /** A socket. */
  readonly socket: number;
  /** A slot of the file table. */
  readonly slot: api.FixedFile;
  /** A directory of the test's own. */
  readonly directory: string;
  /** A descriptor of it. */
  readonly dirfd: number;
  readonly buffer: Uint8Array<ArrayBuffer>;
  readonly fixed: api.FixedBuffer<"memory">;
  /** Whole pages. */
  readonly arena: Arena;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly group: unknown;
  readonly sendGroup: unknown;
  readonly mail: { readonly fd: number; readonly slot: number; readonly generation: number };
  readonly target: unknown;
}

/** What may stand in a description that is never handed to the kernel. */
export function mereResources(changes: Partial<Resources> = {}): Resources {
  const arena = Arena.allocate(4096);
  const group = { id: 9, size: 4096, options: {}, check() {} };
  return {
    fd: 7,
    other: 8,
    socket: 9,
    slot: new api.FixedFile(1),
    directory: "/tmp",
    dirfd: 10,
    buffer: new Uint8Array(new ArrayBuffer(64)),
    fixed: new api.FixedBuffer(0, arena.address, 64, "memory"),
    arena,
    words: new Int32Array(new SharedArrayBuffer(64)),
    group,
    sendGroup: group,
    mail: { fd: 11, slot: 1, generation: 1 },
    target: { slot: 1, generation: 1 },
    ...changes,
  };
}

type Options = Record<string, unknown>;
type Build = (options: Options) => api.Operation<unknown>;

/** A description in which every option is given, and right. */
export interface Sample {
  /** The operation's name; with others of that name, another form of it. */
  readonly name: string;
  readonly build: Build;
  readonly options: Options;
}

const builders = api as unknown as Readonly<Record<string, Build>>;
const LOOPBACK = { family: "ipv4", address: "127.0.0.1", port: 9 };
const DONTWAIT = 0x40;

/** At least one sample of each operation; of those whose options exclude each other several, so that every option occurs. */
export function samples(r: Resources): Sample[] {
  const list: Sample[] = [];
  const add = (name: keyof typeof api & string, options: Options): void => {
    list.push({ name, build: builders[name]!, options });
  };
  const path = `${r.directory}/file`;
  const transfer = { fd: r.fd, offset: 0, flags: 0, ioprio: 0 };
  const protection = { buffer: r.buffer, appTag: 1, seed: 2, check: ["guard"] };
  const message = { fd: r.socket, flags: DONTWAIT, pollFirst: false };

  for (const name of ["read", "write"] as const) {
    add(name, { ...transfer, buffer: r.buffer, protection });
    add(`${name}v`, { ...transfer, buffers: [r.buffer, r.buffer], protection });
    add(`${name}Fixed`, { ...transfer, buffer: r.fixed, protection });
    add(`${name}vFixed`, { ...transfer, buffers: [r.fixed], protection });
    add(name, { ...transfer, buffer: r.buffer });
    add(`${name}Fixed`, { ...transfer, buffer: r.fixed });
  }
  for (const name of ["write", "writev", "writeFixed", "writevFixed"] as const) {
    const data = { write: { buffer: r.buffer }, writev: { buffers: [r.buffer] }, writeFixed: { buffer: r.fixed } };
    add(name, { ...transfer, writeStream: 0, ...(name === "writevFixed" ? { buffers: [r.fixed] } : data[name]) });
  }
  add("readProvided", { ...transfer, group: r.group, length: 8 });
  add("readProvided", { ...transfer, group: r.group, length: 8, protection });
  add("readMultishot", { fd: r.other, group: r.group, flags: 0 });
  add("splice", { fdIn: r.other, offsetIn: 0, fdOut: r.fd, offsetOut: 0, length: 8, flags: api.SPLICE_F_NONBLOCK });
  add("tee", { fdIn: r.other, fdOut: r.other, length: 8, flags: api.SPLICE_F_NONBLOCK });
  add("syncFileRange", { fd: r.fd, offset: 0, length: 4096, flags: 0 });
  add("fadvise", { fd: r.fd, offset: 0, length: 4096, advice: 1 });
  add("madvise", { memory: r.arena.bytes(), advice: api.MADV_DONTNEED });
  add("ftruncate", { fd: r.fd, length: 4096 });
  add("fallocate", { fd: r.fd, mode: 0, offset: 0, length: 4096 });
  add("fsync", { fd: r.fd, dataOnly: true });
  add("statx", { path, dirfd: r.dirfd, flags: 0, mask: 0x7ff });
  add("openat", { path, dirfd: r.dirfd, flags: api.O_CREAT | api.O_RDWR, mode: 0o600 });
  add("openatDirect", { path, dirfd: r.dirfd, flags: api.O_CREAT | api.O_RDWR, mode: 0o600, slot: r.slot });
  add("openat2", { path, dirfd: r.dirfd, flags: api.O_CREAT | api.O_RDWR, mode: 0o600, resolve: 0 });
  add("openat2Direct", { path, dirfd: r.dirfd, flags: api.O_CREAT | api.O_RDWR, mode: 0o600, resolve: 0, slot: r.slot });
  add("close", { fd: 0x7fff_fff0 });
  add("closeDirect", { slot: r.slot });
  add("pipe", { flags: 0o4000 });
  add("pipeDirect", { flags: 0o4000, slot: r.slot });
  add("filesUpdate", { slot: r.slot, fds: [r.fd] });
  add("fixedFdInstall", { slot: r.slot, cloexec: true });
  add("renameat", { oldPath: path, newPath: `${path}2`, oldDirfd: r.dirfd, newDirfd: r.dirfd, flags: 0 });
  add("linkat", { oldPath: path, newPath: `${path}3`, oldDirfd: r.dirfd, newDirfd: r.dirfd, flags: 0 });
  add("unlinkat", { path: `${path}3`, dirfd: r.dirfd, flags: 0 });
  add("mkdirat", { path: `${path}4`, mode: 0o700, dirfd: r.dirfd });
  add("symlinkat", { target: path, path: `${path}5`, dirfd: r.dirfd });
  add("getxattr", { path, name: "user.test", buffer: r.buffer });
  add("fgetxattr", { fd: r.fd, name: "user.test", buffer: r.buffer });
  add("setxattr", { path, name: "user.test", value: r.buffer, flags: 0 });
  add("fsetxattr", { fd: r.fd, name: "user.test", value: r.buffer, flags: 0 });

  add("socket", { domain: api.AF_INET, type: api.SOCK_STREAM, protocol: 0 });
  add("socketDirect", { domain: api.AF_INET, type: api.SOCK_STREAM, protocol: 0, slot: r.slot });
  add("bind", { fd: r.socket, address: LOOPBACK });
  add("connect", { fd: r.socket, address: LOOPBACK });
  add("listen", { fd: r.socket, backlog: 4 });
  add("shutdown", { fd: r.fd, how: 1 });
  const accepting = { fd: r.socket, nonblocking: true, pollFirst: false };
  add("accept", { ...accepting, address: true, dontWait: true });
  add("acceptDirect", { ...accepting, address: true, dontWait: true, slot: r.slot });
  add("acceptMultishot", accepting);
  add("acceptMultishotDirect", accepting);
  add("getsockname", { fd: r.socket, peer: true });
  add("getsockopt", { fd: r.socket, level: 1, name: 3, value: r.buffer });
  add("setsockopt", { fd: r.socket, level: 1, name: 9, value: 1 });
  add("siocinq", { fd: r.socket });
  add("siocoutq", { fd: r.socket });
  add("txTimestamp", { fd: r.socket });
  for (const name of ["send", "sendZc"] as const) {
    const more = name === "sendZc" ? { reportUsage: true } : {};
    add(name, { ...message, ...more, buffer: r.buffer, address: LOOPBACK });
    add(name, { ...message, ...more, buffers: [r.buffer, r.buffer], address: LOOPBACK });
  }
  add("send", { ...message, group: r.sendGroup, address: LOOPBACK });
  add("sendBundle", { ...message, group: r.sendGroup });
  const control = [{ level: 1, type: 77, data: r.buffer }];
  add("sendmsg", { ...message, buffers: [r.buffer], address: LOOPBACK, control });
  add("sendmsgZc", { ...message, buffers: [r.buffer], address: LOOPBACK, control, reportUsage: true });
  add("recv", { ...message, buffer: r.buffer });
  add("recv", { ...message, group: r.group, length: 8, bundle: false });
  add("recvmsg", { ...message, buffers: [r.buffer], control: 64 });
  add("recvMultishot", { ...message, group: r.group, length: 8, total: 100, bundle: false });
  add("recvmsgMultishot", { ...message, group: r.group, control: 64, address: true });
  add("recvZc", { fd: r.socket, queue: 0, total: 100, pollFirst: false });

  add("timeout", { ms: 1, completions: 3, absolute: false, clock: "boottime", etimeSuccess: true });
  add("timeoutMultishot", { ms: 1, count: 2, clock: "realtime" });
  add("timeoutUpdate", { target: r.target, ms: 1, absolute: false, link: false });
  add("timeoutRemove", { target: r.target });
  add("poll", { fd: r.socket, events: api.POLLOUT });
  add("pollMultishot", { fd: r.other, events: api.POLLIN });
  add("pollUpdate", { target: r.target, events: api.POLLIN });
  add("pollRemove", { target: r.target });
  add("epollCtl", { epfd: r.fd, fd: r.other, change: "add", events: 1, data: 7 });
  add("epollWait", { epfd: r.fd, maxEvents: 4 });
  add("cancel", { target: r.target, fd: r.fd, opcode: 22, all: true });
  add("cancel", { any: true });
  add("cancelFd", { fd: r.fd });

  add("waitid", { type: "pid", id: 1, options: 4 | 1 });
  add("futexWait", { words: r.words, index: 0, shared: true, value: 12345, mask: 1 });
  add("futexWaitv", { futexes: [{ words: r.words, index: 0, shared: true, value: 12345 }] });
  add("futexWake", { words: r.words, index: 0, shared: true, count: 1, mask: 1 });
  add("msgRing", { to: r.mail, result: -1, flags: 2 });
  add("msgRingFd", { to: r.mail, source: r.slot, slot: r.slot, silent: true });
  const command = { fd: r.fd, cmdOp: 7, payload: r.buffer.subarray(0, 8), address: 0, pins: [r.buffer] };
  add("uringCmd", { ...command, buffer: r.fixed });
  add("uringCmd128", { ...command, buffer: r.fixed });
  add("uringCmdMultishot", { ...command, group: r.group });
  add("provideBuffers", { group: 1234, memory: r.arena, size: 64, buffers: 2, first: 3 });
  add("removeBuffers", { group: 1234, buffers: 1 });
  add("nop", { result: -5, fd: r.fd, buffer: r.fixed, taskWork: true });
  add("nop", { result: -5, extra: [1, 2] });
  add("nop128", { result: -5, fd: r.fd, buffer: r.fixed, taskWork: true });
  add("nop128", { extra: [1, 2] });
  return list;
}
