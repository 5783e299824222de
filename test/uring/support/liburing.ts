import { dlopen, type FFIFunction, FFIType } from "bun:ffi";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { addressOf } from "uring-ublk/ffi";
import { Archive, type ArchivePackage } from "../../vm/archive.ts";
import { cached, contentKey } from "../../vm/cache.ts";
import { run } from "../../vm/process.ts";
import { openSession, type Session } from "../../vm/session.ts";

/** The liburing that the tests were written against. A newer one is fetched when this is raised. */
export const LIBURING = "2.15";

const PACKAGE = "liburing2";
const LIBRARY = "usr/lib/x86_64-linux-gnu/liburing-ffi.so.2";
const SQE_BYTES = 128;

/** Arguments behind the SQE: `i` an int, `u` unsigned, `q` 64 bits or a pointer. */
export type Signature = string;

const TYPES: Readonly<Record<string, FFIType>> = { i: FFIType.i32, u: FFIType.u32, q: FFIType.u64 };

/** liburing's own prep functions, as it exports them for languages that cannot compile its header. */
export class Liburing {
  /** Those that were called. */
  readonly used = new Set<string>();
  readonly #prepared = new Map<string, (...args: unknown[]) => void>();

  private constructor(
    private readonly path: string,
    /** `2.15`. */
    readonly version: string,
  ) {}

  /** From the newest Debian that has it, unpacked into the cache; the machine's own packages stay as they are. A text says why not. */
  static async fetch(): Promise<Liburing | string> {
    // In the VM there is no network, and user space writes the same bytes on every kernel.
    if (process.env.URING_UBLK_VM !== undefined) return "the bytes of SQEs do not depend on the kernel: compared on the host";
    try {
      await using session = openSession(new AbortController().signal, () => {});
      return Liburing.#open(join(await cached(session, `liburing-${contentKey(LIBURING)}`, (draft) => unpack(session, draft)), LIBRARY));
    } catch (error) {
      return `no liburing from the Debian archive: ${(error as Error).message.split("\n")[0]}`;
    }
  }

  static #open(path: string): Liburing {
    const { symbols } = dlopen(path, {
      io_uring_major_version: { args: [], returns: "i32" },
      io_uring_minor_version: { args: [], returns: "i32" },
    });
    return new Liburing(path, `${symbols.io_uring_major_version()}.${symbols.io_uring_minor_version()}`);
  }

  /** Every prep function that the library exports. */
  get exported(): string[] {
    const names = readFileSync(this.path, "latin1").match(/\bio_uring_prep_\w+/g) ?? [];
    return [...new Set(names)].map((name) => name.replace("io_uring_prep_", "")).sort();
  }

  /** What the function writes into an SQE of zeros, as `io_uring_get_sqe` hands one out. */
  prep(name: string, signature: Signature, args: readonly (number | bigint)[]): DataView {
    if (args.length !== signature.length) throw new TypeError(`${name} takes ${signature.length} arguments, not ${args.length}`);
    const sqe = new DataView(new ArrayBuffer(SQE_BYTES));
    const values: unknown[] = args.map((value, i) => (signature[i] === "q" ? BigInt.asUintN(64, BigInt(value)) : Number(value)));
    // Only the general function wants the opcode before the SQE.
    const at = name === "rw" ? 1 : 0;
    const call = this.#function(`io_uring_prep_${name}`, `${signature.slice(0, at)}q${signature.slice(at)}`);
    call(...values.toSpliced(at, 0, BigInt(addressOf(sqe))));
    this.used.add(name);
    return sqe;
  }

  /** `io_uring_sqe_set_flags` and its like. */
  set(sqe: DataView, name: "flags" | "buf_group", value: number): void {
    this.#function(`io_uring_sqe_set_${name}`, name === "flags" ? "qu" : "qi")(BigInt(addressOf(sqe)), value);
  }

  #function(symbol: string, signature: string): (...args: unknown[]) => void {
    const known = this.#prepared.get(symbol);
    if (known !== undefined) return known;
    const description: FFIFunction = { args: [...signature].map((letter) => TYPES[letter]!), returns: "void" };
    const call = dlopen(this.path, { [symbol]: description }).symbols[symbol] as unknown as (...args: unknown[]) => void;
    this.#prepared.set(symbol, call);
    return call;
  }
}

async function unpack(session: Session, draft: string): Promise<void> {
  const archive = await Archive.open(session);
  const found = await archive.search(PACKAGE, new RegExp(`^${PACKAGE}$`));
  if (found.length === 0) throw new Error(`the mirror lists no ${PACKAGE}`);
  const downloads = session.path("liburing-deb");
  mkdirSync(downloads, { recursive: true });
  await archive.download(wanted(found), downloads);
  for (const deb of readdirSync(downloads)) await run(["dpkg-deb", "--extract", join(downloads, deb), draft], { signal: session.signal });
}

/** The version that the tests know, or else the newest. */
function wanted(found: readonly ArchivePackage[]): ArchivePackage {
  const numbers = ({ version }: ArchivePackage): number[] => version.split(/\D+/).map(Number);
  const newestFirst = [...found].sort((a, b) => {
    const [left, right] = [numbers(a), numbers(b)];
    const at = left.findIndex((number, i) => number !== right[i]);
    return at < 0 ? 0 : (right[at] ?? 0) - left[at]!;
  });
  return newestFirst.find(({ version }) => version.startsWith(`${LIBURING}-`)) ?? newestFirst[0]!;
}
