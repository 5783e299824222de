import { IOSQE_FIXED_FILE } from "../uring/abi.ts";
import type { RingTrace } from "../uring/index.ts";
import * as abi from "./abi.ts";
import type { BatchElements } from "./batch-elements.ts";
import type { BatchFetch } from "./batch-fetch.ts";
import { CHAR_FILE } from "./tag-commands.ts";
import { requestText } from "./trace.ts";

const CMD_OP = 2;
const ADDRESS = 4;
const BATCH_IO = 12;

const NAMES = new Map([
  [abi.UBLK_U_IO_PREP_IO_CMDS, "PREP_IO_CMDS"],
  [abi.UBLK_U_IO_COMMIT_IO_CMDS, "COMMIT_IO_CMDS"],
  [abi.UBLK_U_IO_FETCH_IO_CMDS, "FETCH_IO_CMDS"],
]);
const FLAGS = [
  [abi.UBLK_BATCH_F_HAS_ZONE_LBA, "HAS_ZONE_LBA"],
  [abi.UBLK_BATCH_F_HAS_BUF_ADDR, "HAS_BUF_ADDR"],
  [abi.UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK, "AUTO_BUF_REG_FALLBACK"],
] as const;

/** Has the commands of a batched queue told, with what they commit, and the requests that a fetch brings. */
export function traceBatches(trace: RingTrace | undefined, iod: Int32Array, elements: BatchElements, fetch: BatchFetch): void {
  if (trace === undefined) return;
  const others = trace.describeCommand;
  trace.describeCommand = (words, at) => {
    const name = NAMES.get(words[at + CMD_OP]! >>> 0);
    const ours = ((words[at]! >>> 8) & IOSQE_FIXED_FILE) !== 0 && words[at + 1] === CHAR_FILE;
    return ours && name !== undefined ? { name, text: text(name, words, at, elements) } : others?.(words, at);
  };
  trace.annotate = (slot, result, flags) =>
    slot === fetch.slot && result > 0
      ? fetch
          .listed(result, flags)
          .map((tag) => `| tag=${tag} ${requestText(iod, tag)}`)
          .join(" ")
      : undefined;
}

// struct ublk_batch_io, and the elements of a commit.
function text(name: string, words: Int32Array, at: number, elements: BatchElements): string {
  const [head, size] = [words[at + BATCH_IO]!, words[at + BATCH_IO + 1]!];
  const flags = FLAGS.filter(([bit]) => ((head >>> 16) & bit) !== 0).map(([, flag]) => flag);
  const count = size & 0xffff;
  const parts = [`queue=${head & 0xffff}`, `elements=${count}`, `elem_bytes=${(size >>> 16) & 0xff}`];
  if (flags.length > 0) parts.push(`flags=${flags.join("|")}`);
  if (name !== "COMMIT_IO_CMDS") return parts.join(" ");
  const address = words[at + ADDRESS + 1]! * 2 ** 32 + (words[at + ADDRESS]! >>> 0);
  const first = (address - elements.address(0)) / elements.bytes;
  for (let element = first; element < first + count; element++) {
    const word = element << elements.shift;
    parts.push(`| tag=${elements.words[word]! & 0xffff} result=${elements.words[word + 1]!}`);
  }
  return parts.join(" ");
}
