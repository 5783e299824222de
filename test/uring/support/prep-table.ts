import { abi, type RawRing } from "uring-ublk/uring";
import type layout from "../../fixtures/layout.json";

export type SqeField = keyof typeof layout.structs.io_uring_sqe.fields;
type Args = readonly number[];

/** How a raw writer and a prep function of liburing write the same SQE. */
export interface Pair {
  /** The raw writer, by its name. */
  readonly writer: keyof RawRing & string;
  /** The values that each of its arguments takes, one at a time. */
  readonly domains: readonly (readonly number[])[];
  /** The prep function and the kinds of its arguments; chosen by ours where there are two forms. */
  readonly prep: (args: Args) => readonly [name: string, signature: string, args: readonly (number | bigint)[]];
  /** What liburing leaves to its caller: fields to set behind the prep function. */
  readonly set?: (args: Args) => Partial<Record<SqeField, number | bigint>>;
  /** What our writer leaves to its caller. */
  readonly modify?: (raw: RawRing, args: Args) => void;
  /** Which arguments are for `modify` and not for the writer: the last so many. */
  readonly extra?: number;
}

const FD = [7, 0, 0x7fff_ffff] as const;
const DIRECTORY = [4, -100] as const;
const ADDRESS = [0x7fff_1234_5678, 0] as const;
const LENGTH = [100, 0, 0xffff_ffff] as const;
const INT = [100, 0, 0x7fff_ffff] as const;
const LONG = [4096, 0, 0xffff_ffff, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER] as const;
const OFFSET = [...LONG, -1] as const;
const FLAGS = [0, 1, 0x7fff_ffff, 0x8000_0000] as const;
const SHORT = [3, 0, 0xffff] as const;
const PLACE = [0, 1, 6, abi.IORING_FILE_INDEX_ALLOC] as const; // slot + 1
const WORD = [0x1234, -1, 0x7fff_ffff, -0x8000_0000] as const;
const BOOLEAN = [0, 1] as const;

/** Two words of user_data as one value. */
const joined = (low: number, high: number): bigint => (BigInt.asUintN(32, BigInt(high)) << 32n) | BigInt.asUintN(32, BigInt(low));
/** liburing counts slots from 0, except for "any". */
const slotOf = (place: number): number => (place === abi.IORING_FILE_INDEX_ALLOC ? place : place - 1);
const SELECT = abi.IOSQE_BUFFER_SELECT;

const transfer = (writer: "read" | "write"): Pair => ({
  writer,
  domains: [FD, ADDRESS, LENGTH, OFFSET, FLAGS],
  prep: ([fd, address, length, offset]) => [writer, "iquq", [fd!, address!, length!, offset!]],
  set: ([, , , , flags]) => ({ rw_flags: flags! }),
});
const transferFixed = (writer: "readFixed" | "writeFixed", name: string): Pair => ({
  writer,
  domains: [FD, ADDRESS, LENGTH, OFFSET, SHORT, FLAGS],
  prep: ([fd, address, length, offset, index]) => [name, "iquqi", [fd!, address!, length!, offset!, index!]],
  set: ([, , , , , flags]) => ({ rw_flags: flags! }),
});
const transferMany = (writer: "readv" | "writev"): Pair => ({
  writer,
  domains: [FD, ADDRESS, LENGTH, OFFSET, FLAGS],
  prep: (args) => [`${writer}2`, "iquqi", args],
});
const transferManyFixed = (writer: "readvFixed" | "writevFixed", name: string): Pair => ({
  writer,
  domains: [FD, ADDRESS, LENGTH, OFFSET, SHORT, FLAGS],
  prep: ([fd, vectors, count, offset, index, flags]) => [name, "iquqii", [fd!, vectors!, count!, offset!, flags!, index!]],
});
/** Writers whose arguments stand in the same order as the prep function's. */
const plain = (writer: Pair["writer"], name: string, signature: string, ...domains: Pair["domains"]): Pair => ({
  writer,
  domains,
  prep: (args) => [name, signature, args],
});

/** Files. */
export const FILE_PAIRS: readonly Pair[] = [
  transfer("read"),
  transfer("write"),
  transferFixed("readFixed", "read_fixed"),
  transferFixed("writeFixed", "write_fixed"),
  transferMany("readv"),
  transferMany("writev"),
  transferManyFixed("readvFixed", "readv_fixed"),
  transferManyFixed("writevFixed", "writev_fixed"),
  {
    writer: "readProvided",
    domains: [FD, SHORT, LENGTH, OFFSET, FLAGS],
    prep: ([fd, , length, offset]) => ["read", "iquq", [fd!, 0, length!, offset!]],
    set: ([, group, , , flags]) => ({ flags: SELECT, buf_group: group!, rw_flags: flags! }),
  },
  {
    writer: "readMultishot",
    domains: [FD, SHORT, OFFSET, FLAGS],
    prep: ([fd, group, offset]) => ["read_multishot", "iuqi", [fd!, 0, offset!, group!]],
    set: ([, , , flags]) => ({ rw_flags: flags! }),
  },
  plain("syncFileRange", "sync_file_range", "iuqi", FD, LENGTH, LONG, FLAGS),
  {
    writer: "fadvise",
    domains: [FD, LONG, LONG, INT],
    prep: ([fd, offset, length, advice]) =>
      length! > 0xffff_ffff
        ? ["fadvise64", "iqqi", [fd!, offset!, length!, advice!]]
        : ["fadvise", "iqui", [fd!, offset!, length!, advice!]],
  },
  {
    writer: "madvise",
    domains: [ADDRESS, LONG, INT],
    prep: (args) => (args[1]! > 0xffff_ffff ? ["madvise64", "qqi", args] : ["madvise", "qui", args]),
  },
  plain("ftruncate", "ftruncate", "iq", FD, LONG),
  plain("statx", "statx", "iqiuq", DIRECTORY, ADDRESS, FLAGS, LENGTH, ADDRESS),
  {
    writer: "openat2",
    domains: [DIRECTORY, ADDRESS, ADDRESS, PLACE],
    prep: ([dirfd, path, how, place]) =>
      place === 0 ? ["openat2", "iqq", [dirfd!, path!, how!]] : ["openat2_direct", "iqqu", [dirfd!, path!, how!, slotOf(place!)]],
  },
  {
    writer: "openat",
    domains: [DIRECTORY, ADDRESS, FLAGS, LENGTH, PLACE],
    prep: ([dirfd, path, flags, mode, place]) =>
      place === 0
        ? ["openat", "iqiu", [dirfd!, path!, flags!, mode!]]
        : ["openat_direct", "iqiuu", [dirfd!, path!, flags!, mode!, slotOf(place!)]],
  },
  {
    writer: "closeFd",
    domains: [
      [0, 7],
      [0, 1, 6],
    ],
    // With a slot the descriptor must be 0: our caller's business.
    prep: ([fd, place]) => (place === 0 ? ["close", "i", [fd!]] : ["close_direct", "u", [slotOf(place!)]]),
    set: ([fd]) => ({ fd: fd! }),
  },
  plain("splice", "splice", "iqiquu", FD, OFFSET, FD, OFFSET, LENGTH, FLAGS),
  plain("tee", "tee", "iiuu", FD, FD, LENGTH, FLAGS),
  {
    writer: "pipe",
    domains: [ADDRESS, FLAGS, PLACE],
    prep: ([fds, flags, place]) => (place === 0 ? ["pipe", "qi", [fds!, flags!]] : ["pipe_direct", "qiu", [fds!, flags!, slotOf(place!)]]),
  },
  plain("renameat", "renameat", "iqiqu", DIRECTORY, ADDRESS, DIRECTORY, ADDRESS, FLAGS),
  plain("linkat", "linkat", "iqiqi", DIRECTORY, ADDRESS, DIRECTORY, ADDRESS, FLAGS),
  plain("unlinkat", "unlinkat", "iqi", DIRECTORY, ADDRESS, FLAGS),
  plain("mkdirat", "mkdirat", "iqu", DIRECTORY, ADDRESS, LENGTH),
  plain("symlinkat", "symlinkat", "qiq", ADDRESS, DIRECTORY, ADDRESS),
  plain("getxattr", "getxattr", "qqqu", ADDRESS, ADDRESS, ADDRESS, LENGTH),
  plain("fgetxattr", "fgetxattr", "iqqu", FD, ADDRESS, ADDRESS, LENGTH),
  plain("setxattr", "setxattr", "qqqiu", ADDRESS, ADDRESS, ADDRESS, FLAGS, LENGTH),
  plain("fsetxattr", "fsetxattr", "iqqiu", FD, ADDRESS, ADDRESS, FLAGS, LENGTH),
  plain("fsync", "fsync", "iu", FD, FLAGS),
  plain("fallocate", "fallocate", "iiqq", FD, FLAGS, LONG, LONG),
];

/** Sockets. */
export const SOCKET_PAIRS: readonly Pair[] = [
  {
    writer: "accept",
    domains: [FD, ADDRESS, ADDRESS, FLAGS, PLACE],
    prep: ([fd, address, length, flags, place]) =>
      place === 0
        ? ["accept", "iqqi", [fd!, address!, length!, flags!]]
        : ["accept_direct", "iqqiu", [fd!, address!, length!, flags!, slotOf(place!)]],
  },
  {
    writer: "acceptMultishot",
    domains: [FD, FLAGS, [0, abi.IORING_FILE_INDEX_ALLOC]],
    prep: ([fd, flags, place]) => [place === 0 ? "multishot_accept" : "multishot_accept_direct", "iqqi", [fd!, 0, 0, flags!]],
  },
  plain("bind", "bind", "iqu", FD, ADDRESS, INT),
  plain("connect", "connect", "iqu", FD, ADDRESS, INT),
  plain("listen", "listen", "ii", FD, INT),
  plain("shutdown", "shutdown", "ii", FD, [2, 0]),
  plain("getsockname", "cmd_getsockname", "iqqi", FD, ADDRESS, ADDRESS, BOOLEAN),
  {
    writer: "cmdSock",
    domains: [FD, INT, INT, INT, ADDRESS, INT],
    prep: ([fd, command, level, option, value, length]) => ["cmd_sock", "iiiiqi", [command!, fd!, level!, option!, value!, length!]],
  },
  {
    writer: "socket",
    domains: [INT, FLAGS, INT, PLACE],
    prep: ([domain, type, protocol, place]) => {
      if (place === 0) return ["socket", "iiiu", [domain!, type!, protocol!, 0]];
      if (place === abi.IORING_FILE_INDEX_ALLOC) return ["socket_direct_alloc", "iiiu", [domain!, type!, protocol!, 0]];
      return ["socket_direct", "iiiuu", [domain!, type!, protocol!, slotOf(place!), 0]];
    },
    set: ([, type]) => ({ off: type! }), // liburing extends the sign of an int; no type of socket has that bit
  },
  {
    writer: "recv",
    domains: [FD, ADDRESS, LENGTH, FLAGS, SHORT],
    prep: ([fd, address, length, flags]) => ["recv", "iqqi", [fd!, address!, length!, flags!]],
    set: ([, , , , index]) => ({ buf_index: index! }),
  },
  plain("recvmsg", "recvmsg", "iqu", FD, ADDRESS, FLAGS),
  {
    writer: "recvMultishot",
    domains: [FD, SHORT, FLAGS, LENGTH, LENGTH],
    prep: ([fd, , flags, length]) => ["recv_multishot", "iqqi", [fd!, 0, length!, flags!]],
    set: ([, group, , , total]) => ({ flags: SELECT, buf_group: group!, optlen: total! }),
  },
  {
    writer: "recvmsgMultishot",
    domains: [FD, ADDRESS, SHORT, FLAGS],
    prep: ([fd, message, , flags]) => ["recvmsg_multishot", "iqu", [fd!, message!, flags!]],
    set: ([, , group]) => ({ flags: SELECT, buf_group: group! }),
  },
  {
    writer: "recvZc",
    domains: [FD, INT, LENGTH],
    prep: ([fd, , total]) => ["rw", "iiquq", [abi.IORING_OP_RECV_ZC, fd!, 0, total!, 0]],
    set: ([, queue]) => ({ ioprio: abi.IORING_RECV_MULTISHOT, zcrx_ifq_idx: queue! }),
  },
  {
    writer: "send",
    domains: [FD, ADDRESS, LENGTH, FLAGS, ADDRESS, INT.map((n) => n & 0xffff), SHORT],
    prep: ([fd, address, length, flags, to, toLength]) => ["sendto", "iqqiqu", [fd!, address!, length!, flags!, to!, toLength!]],
    set: ([, , , , , , index]) => ({ buf_index: index! }),
  },
  plain("send", "send", "iqqi", FD, ADDRESS, LENGTH, FLAGS),
  {
    writer: "sendBundle",
    domains: [FD, SHORT, LENGTH, FLAGS],
    prep: ([fd, , length, flags]) => ["send_bundle", "iqi", [fd!, length!, flags!]],
    set: ([, group]) => ({ flags: SELECT, buf_group: group! }),
  },
  plain("sendmsg", "sendmsg", "iqu", FD, ADDRESS, FLAGS),
  {
    writer: "sendmsgZc",
    domains: [FD, ADDRESS, FLAGS, SHORT],
    // Whether the buffer is fixed stands in the ioprio, which is the caller's.
    prep: ([fd, message, flags, index]) =>
      index === 0 ? ["sendmsg_zc", "iqu", [fd!, message!, flags!]] : ["sendmsg_zc_fixed", "iquu", [fd!, message!, flags!, index!]],
    modify: (raw, [, , , index]) => {
      if (index !== 0) raw.setIoprio(abi.IORING_RECVSEND_FIXED_BUF);
    },
  },
  {
    writer: "sendZc",
    domains: [FD, ADDRESS, LENGTH, FLAGS, [0], [0], SHORT, [0, 1, abi.IORING_SEND_ZC_REPORT_USAGE]],
    extra: 1,
    prep: ([fd, address, length, flags, , , index, zc]) =>
      index === 0
        ? ["send_zc", "iqqiu", [fd!, address!, length!, flags!, zc!]]
        : ["send_zc_fixed", "iqqiuu", [fd!, address!, length!, flags!, zc!, index!]],
    modify: (raw, [, , , , , , index, zc]) => raw.setIoprio(zc! | (index === 0 ? 0 : abi.IORING_RECVSEND_FIXED_BUF)),
  },
];

const target = (at: number, args: Args): bigint => joined(args[at]!, args[at + 1]!);

/** The ring itself, processes, drivers. */
export const CONTROL_PAIRS: readonly Pair[] = [
  {
    writer: "nop",
    domains: [FLAGS, WORD, [-1, 7], SHORT],
    prep: () => ["nop", "", []],
    set: ([flags, result, fd, index]) => ({ nop_flags: flags!, len: result!, fd: fd!, buf_index: index! }),
  },
  {
    writer: "provideBuffers",
    domains: [ADDRESS, INT, SHORT, SHORT, SHORT],
    prep: (args) => ["provide_buffers", "qiiii", args],
  },
  plain("removeBuffers", "remove_buffers", "ii", SHORT, SHORT),
  plain("fixedFdInstall", "fixed_fd_install", "iu", FD, BOOLEAN),
  plain("filesUpdate", "files_update", "qui", ADDRESS, INT, INT),
  {
    // "Any slot" is all ones in 32 bits; liburing takes an int and extends its sign, and the kernel reads 32 bits.
    writer: "filesUpdate",
    domains: [ADDRESS, INT, [abi.IORING_FILE_INDEX_ALLOC]],
    prep: (args) => ["files_update", "qui", args],
    set: ([, , first]) => ({ off: first! }),
  },
  plain("epollCtl", "epoll_ctl", "iiiq", FD, FD, [1, 2, 3], ADDRESS),
  {
    writer: "epollWait",
    domains: [FD, ADDRESS, INT],
    prep: (args) => ["epoll_wait", "iqiu", [...args, 0]],
  },
  plain("waitid", "waitid", "iuqiu", [1, 0, 3], [1234, 0, 0x7fff_ffff], ADDRESS, [4, 0x0100_0004], [0, 1]),
  plain("futexWait", "futex_wait", "qqquu", ADDRESS, LENGTH, LENGTH, [0x82, 2], FLAGS),
  plain("futexWake", "futex_wake", "qqquu", ADDRESS, LENGTH, LENGTH, [0x82, 2], FLAGS),
  plain("futexWaitv", "futex_waitv", "quu", ADDRESS, [1, 128], FLAGS),
  plain("timeout", "timeout", "quu", [...ADDRESS, ...LONG], INT, FLAGS),
  {
    writer: "timeoutMultishot",
    domains: [ADDRESS, INT, FLAGS],
    prep: ([time, repeats, flags]) => ["timeout", "quu", [time!, repeats!, (flags! | abi.IORING_TIMEOUT_MULTISHOT) >>> 0]],
  },
  { writer: "timeoutRemove", domains: [WORD, WORD], prep: (args) => ["timeout_remove", "qu", [target(0, args), 0]] },
  {
    writer: "timeoutUpdate",
    domains: [WORD, WORD, [...ADDRESS, ...LONG], FLAGS],
    prep: (args) => ["timeout_update", "qqu", [args[2]!, target(0, args), args[3]!]],
  },
  plain("linkTimeout", "link_timeout", "qu", [...ADDRESS, ...LONG], FLAGS),
  {
    writer: "cancel",
    domains: [[-1], WORD, WORD, [0, abi.IORING_ASYNC_CANCEL_ALL, abi.IORING_ASYNC_CANCEL_ANY, 16 | 32], [0, 22]],
    prep: (args) => ["cancel64", "qi", [target(1, args), args[3]!]],
    set: ([, , , , opcode]) => ({ len: opcode! }),
  },
  {
    writer: "cancel",
    domains: [FD, [0], [0], [2, 3, 2 | 8], [0, 22]],
    prep: ([fd, , , flags]) => ["cancel_fd", "iu", [fd!, flags!]],
    set: ([, , , , opcode]) => ({ len: opcode! }),
  },
  plain("poll", "poll_add", "iu", FD, [1, 0x2000, 0x8000_0001]),
  plain("pollMultishot", "poll_multishot", "iu", FD, [1, 0x2000, 0x8000_0001]),
  { writer: "pollRemove", domains: [WORD, WORD], prep: (args) => ["poll_remove", "q", [target(0, args)]] },
  {
    writer: "pollUpdate",
    domains: [WORD, WORD, WORD, WORD, [1, 0x8000_0001], [2, 4, 7]],
    prep: (args) => ["poll_update", "qquu", [target(0, args), target(2, args), args[4]!, args[5]!]],
  },
  {
    writer: "msgRing",
    domains: [FD, WORD, WORD, WORD, [0, abi.IORING_MSG_RING_FLAGS_PASS], [0]],
    prep: (args) => ["msg_ring", "iuqu", [args[0]!, args[3]! >>> 0, target(1, args), args[4]!]],
  },
  {
    writer: "msgRing",
    domains: [FD, WORD, WORD, WORD, [abi.IORING_MSG_RING_FLAGS_PASS], [0, 1, 0xffff_ffff]],
    prep: (args) => ["msg_ring_cqe_flags", "iuquu", [args[0]!, args[3]! >>> 0, target(1, args), 0, args[5]!]],
  },
  {
    writer: "msgRingFd",
    domains: [FD, WORD, WORD, FD, PLACE.filter((place) => place > 0), BOOLEAN],
    prep: (args) => {
      const [fd, , , source, place, flags] = args;
      const data = target(1, args);
      return place === abi.IORING_FILE_INDEX_ALLOC
        ? ["msg_ring_fd_alloc", "iiqu", [fd!, source!, data, flags!]]
        : ["msg_ring_fd", "iiiqu", [fd!, source!, slotOf(place!), data, flags!]];
    },
  },
  {
    writer: "uringCmd",
    domains: [FD, FLAGS, ADDRESS, WORD, WORD, WORD, WORD, [0, 1], SHORT],
    prep: ([fd, command]) => ["uring_cmd", "ii", [command!, fd!]],
    set: (args) => ({ addr: args[2]!, addr3: target(3, args), __pad2: target(5, args), uring_cmd_flags: args[7]!, buf_index: args[8]! }),
  },
  {
    writer: "uringCmdMultishot",
    domains: [FD, FLAGS, ADDRESS, WORD, WORD, WORD, WORD, SHORT],
    prep: ([fd, command]) => ["uring_cmd", "ii", [command!, fd!]],
    set: (args) => ({
      flags: SELECT,
      addr: args[2]!,
      addr3: target(3, args),
      __pad2: target(5, args),
      uring_cmd_flags: abi.IORING_URING_CMD_MULTISHOT,
      buf_group: args[7]!,
    }),
  },
];
