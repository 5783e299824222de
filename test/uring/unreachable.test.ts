// usual kernels: this machine's, and the newest
/** What no machine here can use: zero-copy receives need a fitting network card. And filters and restrictions that cannot be undone (7.0). */
import { describe, expect, test } from "bun:test";
import { nop, Ring, type UringError } from "uring-ublk";
import { arrayBufferAt, type RingSyscalls, ringSyscalls } from "uring-ublk/ffi";
import { abi, BPF_CONTEXT, bpf, filterThread, RawRing, restrictThread } from "uring-ublk/uring";
import layout from "../fixtures/layout.json" with { type: "json" };
import { runProgram } from "../support/child.ts";
import { isRoot, kernelAtLeast, requires } from "../support/requires.ts";

const old = requires(!kernelAtLeast("7.0"), "this kernel has it, and it cannot be undone in this process");

type StructName = keyof typeof layout.structs;

function fields(view: DataView, struct: StructName, base = 0): (name: string) => bigint {
  const table = layout.structs[struct].fields as Record<string, number[]>;
  return (name) => {
    const [offset, size] = table[name] as [number, number];
    const at = base + offset;
    if (size === 8) return view.getBigUint64(at, true);
    return BigInt(size === 4 ? view.getUint32(at, true) : size === 2 ? view.getUint16(at, true) : view.getUint8(at));
  };
}

interface Call {
  readonly fd: number;
  readonly opcode: number;
  readonly count: number;
  readonly argument: DataView;
}

/** The machine's own calls, noting down what registrations hand over. */
function noting(bytes: number): { syscalls: RingSyscalls; calls: Call[] } {
  const real = ringSyscalls();
  const calls: Call[] = [];
  const register = (fd: number, opcode: number, argument: number, count: number): number => {
    if (argument !== 0) {
      const copy = arrayBufferAt(argument, bytes).slice(0);
      calls.push({ fd, opcode, count, argument: new DataView(copy) });
    }
    return real.register(fd, opcode, argument, count);
  };
  return { syscalls: { ...real, register }, calls };
}

/** The last call, made on a ring of its own that is closed afterwards. */
function callOf(bytes: number, run: (raw: RawRing) => void): Call & { error: UringError | undefined } {
  const { syscalls, calls } = noting(bytes);
  using raw = new RawRing({ entries: 8, cqe: 32 }, { syscalls, registerRingFd: false });
  let error: UringError | undefined;
  try {
    run(raw);
  } catch (thrown) {
    error = thrown as UringError;
  }
  return { ...calls.at(-1)!, error };
}

const at = (address: bigint, length: number): DataView => new DataView(arrayBufferAt(Number(address), length).slice(0));

describe("a network queue for receives without a copy", () => {
  test("is described with its area, its refill ring and its events", () => {
    let area: DataView | undefined;
    let region: DataView | undefined;
    let events: DataView | undefined;
    const { syscalls } = noting(96);
    using raw = new RawRing(
      { entries: 8 },
      {
        registerRingFd: false,
        syscalls: {
          ...syscalls,
          register(fd, opcode, argument, count) {
            if (opcode === abi.IORING_REGISTER_ZCRX_IFQ) {
              const get = fields(at(BigInt(argument), 96), "io_uring_zcrx_ifq_reg");
              area = at(get("area_ptr"), 48);
              region = at(get("region_ptr"), 64);
              events = at(get("event_desc"), 96);
            }
            return syscalls.register(fd, opcode, argument, count);
          },
        },
      },
    );
    expect(() =>
      raw.register.zcrxInterface({
        interfaceIndex: 3,
        queue: 5,
        entries: 256,
        area: { address: 0x10_0000_0000, length: 0x20_0000 },
        refill: { address: 0x20_0000_0000, length: 0x4000 },
        bufferLength: 8192,
        events: { userData: 77n, mask: 3, statsOffset: 1024 },
      }),
    ).toThrow(/io_uring_register: E/);
    const get = {
      area: fields(area!, "io_uring_zcrx_area_reg"),
      region: fields(region!, "io_uring_region_desc"),
      events: fields(events!, "zcrx_event_desc"),
    };
    expect([get.area("addr"), get.area("len"), get.area("flags")]).toEqual([0x10_0000_0000n, 0x20_0000n, 0n]);
    expect([get.region("user_addr"), get.region("size"), get.region("flags")]).toEqual([0x20_0000_0000n, 0x4000n, 1n]);
    expect(["user_data", "type_mask", "flags", "stats_offset"].map(get.events)).toEqual([77n, 3n, 1n, 1024n]);
  });

  test("has its numbers where the kernel looks for them, and is refused without such a card", () => {
    const call = callOf(96, (raw) =>
      raw.register.zcrxInterface({
        interfaceIndex: 3,
        queue: 5,
        entries: 256,
        area: { dmabuf: 9, length: 4096 },
        refill: { address: 4096, length: 4096 },
        noDevice: true,
      }),
    );
    const get = fields(call.argument, "io_uring_zcrx_ifq_reg");
    expect([call.opcode, call.count]).toEqual([abi.IORING_REGISTER_ZCRX_IFQ, 1]);
    expect(["if_idx", "if_rxq", "rq_entries", "flags", "rx_buf_len", "event_desc"].map(get)).toEqual([3n, 5n, 256n, 2n, 0n, 0n]);
    expect(call.error).toMatchObject({ operation: "register zcrx interface" });
    expect(call.error?.code).toMatch(/^E(PERM|INVAL|OPNOTSUPP|NODEV|FAULT|ACCES)$/);
  });

  test("is taken over from another ring by a descriptor", () => {
    const { argument, opcode, count, error } = callOf(96, (raw) => void raw.register.zcrxImport(9));
    const bytes = new Uint8Array(argument.buffer);
    expect([opcode, count]).toEqual([abi.IORING_REGISTER_ZCRX_IFQ, 1]);
    expect(["if_idx", "flags"].map(fields(argument, "io_uring_zcrx_ifq_reg"))).toEqual([9n, BigInt(abi.ZCRX_REG_IMPORT)]);
    expect(bytes.filter((byte) => byte !== 0)).toEqual(Uint8Array.of(9, abi.ZCRX_REG_IMPORT));
    expect(error).toMatchObject({ operation: "register imported zcrx interface" });
  });

  test("is controlled by number", () => {
    const CASES = [
      [(raw: RawRing) => raw.register.zcrxFlush(4), abi.ZCRX_CTRL_FLUSH_RQ, 0],
      [(raw: RawRing) => void raw.register.zcrxExport(4), abi.ZCRX_CTRL_EXPORT, 0],
      [(raw: RawRing) => raw.register.zcrxArmEvent(4, 1), abi.ZCRX_CTRL_ARM_EVENT, 1],
    ] as const;
    for (const [run, op, event] of CASES) {
      const { opcode, count, argument, error } = callOf(72, run);
      const get = fields(argument, "zcrx_ctrl");
      expect([opcode, count, get("zcrx_id"), get("op")]).toEqual([abi.IORING_REGISTER_ZCRX_CTRL, 0, 4n, BigInt(op)]);
      expect(argument.getUint32(24, true)).toBe(event);
      expect(error?.code).toMatch(/^E(INVAL|NXIO|ACCES)$/);
    }
  });
});

describe("a filter of submissions", () => {
  const filter = {
    operation: abi.IORING_OP_SOCKET,
    program: [bpf.load(BPF_CONTEXT.socketFamily), bpf.jumpIfEqual(1, 0, 1), bpf.allow(), bpf.deny()],
    denyRest: true,
    strict: true,
    pduSize: 12,
  };

  test("is handed over as a program of classic BPF", () => {
    let program: DataView | undefined;
    const real = ringSyscalls();
    const seen: Call[] = [];
    const syscalls: RingSyscalls = {
      ...real,
      register(fd, opcode, argument, count) {
        if (opcode === abi.IORING_REGISTER_BPF_FILTER) {
          const copy = at(BigInt(argument), 72);
          program = at(copy.getBigUint64(24, true), 32);
          seen.push({ fd, opcode, count, argument: copy });
        }
        return real.register(fd, opcode, argument, count);
      },
    };
    using raw = new RawRing({ entries: 8 }, { syscalls, registerRingFd: false });
    try {
      raw.register.bpfFilter(filter);
    } catch (error) {
      expect(error).toMatchObject({ operation: "register bpf filter", hint: expect.stringContaining("Linux 7.0") });
    }
    const { fd, count, argument } = seen[0]!;
    expect([fd, count]).toEqual([raw.fd, 1]);
    // struct io_uring_bpf: type 1; opcode, both flags, 4 instructions, 12 bytes of payload known.
    const words = Array.from({ length: 6 }, (_, i) => argument.getUint32(i * 4, true));
    expect(words).toEqual([1, 0, abi.IORING_OP_SOCKET, 3, 4, 12]);
    for (let i = 32; i < 72; i += 4) expect(argument.getUint32(i, true)).toBe(0);
    const instructions = [0, 1, 2, 3].map((i) => [
      program!.getUint16(i * 8, true),
      program!.getUint8(i * 8 + 2),
      program!.getUint8(i * 8 + 3),
      program!.getUint32(i * 8 + 4, true),
    ]);
    expect(instructions).toEqual([
      [0x20, 0, 0, 16],
      [0x15, 0, 1, 1],
      [0x06, 0, 0, 1],
      [0x06, 0, 0, 0],
    ]);
  });

  requires(kernelAtLeast("7.0"), "needs Linux 7.0")("denies what its program denies, and leaves the rest", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const word = [bpf.load(BPF_CONTEXT.operation), bpf.jumpIfAny(abi.IOSQE_ASYNC << 8, 1, 0), bpf.allow(), bpf.deny()];
    ring.raw.register.bpfFilter({ operation: nop(), program: word });
    expect(await ring.run(nop())).toBe(0);
    expect(await ring.settle(nop().async())).toMatchObject({ reason: { code: "EACCES" } });
  });

  old("is refused by this kernel, for a ring and for a thread", () => {
    using raw = new RawRing({ entries: 8 });
    expect(() => raw.register.bpfFilter(filter)).toThrow(/EINVAL.*Linux 7.0/);
    expect(() => filterThread(filter)).toThrow(/EINVAL.*Linux 7.0/);
  });

  test("is checked before the kernel is asked", () => {
    using raw = new RawRing({ entries: 8 });
    expect(() => raw.register.bpfFilter({ ...filter, program: [] })).toThrow(/program is 0/);
    expect(() => raw.register.bpfFilter({ ...filter, program: [{ code: 6, jt: 300 }] })).toThrow(/jt is 300/);
    expect(() => raw.register.bpfFilter({ ...filter, denyrest: true } as never)).toThrow(/did you mean 'denyRest'/);
  });
});

describe("restrictions of a thread", () => {
  test("are handed over behind their number", () => {
    const calls: Call[] = [];
    const syscalls: RingSyscalls = {
      ...ringSyscalls(),
      register: (fd, opcode, argument, count) => {
        calls.push({ fd, opcode, count, argument: at(BigInt(argument), 48) });
        return -22; // not carried out: it could not be undone
      },
    };
    const restrictions = { operations: [nop()], allowedFlags: abi.IOSQE_ASYNC };
    expect(() => restrictThread(restrictions, syscalls)).toThrow(/EINVAL.*Linux 7.0/);
    const { fd, opcode, count, argument } = calls[0]!;
    expect([fd, opcode, count]).toEqual([-1, abi.IORING_REGISTER_RESTRICTIONS, 1]);
    const head = fields(argument, "io_uring_task_restriction");
    expect([head("flags"), head("nr_res")]).toEqual([0n, 2n]);
    const entries = [16, 32].map((base) => fields(argument, "io_uring_restriction", base));
    expect(entries.map((get) => [get("opcode"), get("sqe_op")])).toEqual([
      [BigInt(abi.IORING_RESTRICTION_SQE_OP), 0n],
      [BigInt(abi.IORING_RESTRICTION_SQE_FLAGS_ALLOWED), BigInt(abi.IOSQE_ASYNC)],
    ]);
  });

  old("are refused by this kernel", () => {
    expect(() => restrictThread({ operations: [nop()] })).toThrow(/EINVAL.*Linux 7.0/);
  });
});

describe("a thread that restricts itself", () => {
  for (const way of ["restrict", "filter"]) {
    requires(kernelAtLeast("7.0") && isRoot(), "needs Linux 7.0, and root")(`has rings that do what is left: ${way}`, async () => {
      const { stdout, stderr } = await runProgram("uring/programs/restricted-thread.ts", [way]);
      expect({ stdout, stderr }).toEqual({ stdout: "0 0 -13\n", stderr: "" });
    });
  }
});
