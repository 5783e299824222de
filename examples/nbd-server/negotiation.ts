import {
  blockSizeInfo,
  decodeOption,
  type Export,
  exportInfo,
  Flags,
  greeting,
  listed,
  nameOf,
  Opt,
  oldAnswer,
  optionReply,
  ProtocolError,
  Rep,
} from "./protocol.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The two directions of a connection. */
export interface Wire {
  receive(length: number): Promise<Bytes>;
  send(bytes: Bytes): Promise<void>;
}

/** More is no negotiation. */
const OPTIONS_MAX = 32;
const OPTION_BYTES_MAX = 8192;
const OPTION_HEAD_BYTES = 16;

/** Negotiates. True when the client has chosen the export and requests follow; false when it wants nothing more. */
export async function negotiate(wire: Wire, served: Export): Promise<boolean> {
  await wire.send(greeting());
  const flags = new DataView((await wire.receive(4)).buffer).getUint32(0);
  if ((flags & ~(Flags.FIXED_NEWSTYLE | Flags.NO_ZEROES)) !== 0 || (flags & Flags.FIXED_NEWSTYLE) === 0)
    throw new ProtocolError(`the client's flags are ${flags}`);
  for (let i = 0; i < OPTIONS_MAX; i++) {
    const { option, length } = decodeOption(await wire.receive(OPTION_HEAD_BYTES));
    if (length > OPTION_BYTES_MAX) throw new ProtocolError(`option ${option} has ${length} bytes`);
    const data = length === 0 ? new Uint8Array(0) : await wire.receive(length);
    if (option === Opt.ABORT) {
      await wire.send(optionReply(option, Rep.ACK));
      return false;
    }
    if (option === Opt.EXPORT_NAME) {
      // This option has no other answer than the export.
      if (new TextDecoder().decode(data) !== served.name) throw new ProtocolError("there is no such export");
      await wire.send(oldAnswer(served, (flags & Flags.NO_ZEROES) === 0));
      return true;
    }
    if (await answer(wire, served, option, data)) return true;
  }
  throw new ProtocolError(`more than ${OPTIONS_MAX} options`);
}

/** Answers an option; true when requests follow. */
async function answer(wire: Wire, served: Export, option: number, data: Bytes): Promise<boolean> {
  const say = (type: number, content?: Bytes): Promise<void> => wire.send(optionReply(option, type, content));
  if (option === Opt.LIST) {
    if (data.length > 0) await say(Rep.INVALID);
    else {
      await say(Rep.SERVER, listed(served));
      await say(Rep.ACK);
    }
    return false;
  }
  if (option !== Opt.INFO && option !== Opt.GO) {
    await say(Rep.UNSUPPORTED);
    return false;
  }
  const name = nameOf(data);
  if (name !== served.name) {
    await say(name === undefined ? Rep.INVALID : Rep.UNKNOWN);
    return false;
  }
  await say(Rep.INFO, exportInfo(served));
  await say(Rep.INFO, blockSizeInfo());
  await say(Rep.ACK);
  return option === Opt.GO;
}
