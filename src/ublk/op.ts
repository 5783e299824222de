import * as abi from "./abi.ts";

/** What a request asks for: the low byte of the descriptor's `op_flags`. Those from `ZONE_OPEN` on come to zoned disks only. */
export const Op = Object.freeze({
  READ: abi.UBLK_IO_OP_READ,
  WRITE: abi.UBLK_IO_OP_WRITE,
  FLUSH: abi.UBLK_IO_OP_FLUSH,
  DISCARD: abi.UBLK_IO_OP_DISCARD,
  WRITE_ZEROES: abi.UBLK_IO_OP_WRITE_ZEROES,
  ZONE_OPEN: abi.UBLK_IO_OP_ZONE_OPEN,
  ZONE_CLOSE: abi.UBLK_IO_OP_ZONE_CLOSE,
  ZONE_FINISH: abi.UBLK_IO_OP_ZONE_FINISH,
  ZONE_APPEND: abi.UBLK_IO_OP_ZONE_APPEND,
  ZONE_RESET_ALL: abi.UBLK_IO_OP_ZONE_RESET_ALL,
  ZONE_RESET: abi.UBLK_IO_OP_ZONE_RESET,
  REPORT_ZONES: abi.UBLK_IO_OP_REPORT_ZONES,
});

const NAMES = new Map<number, string>(Object.entries(Op).map(([name, op]) => [op, name]));

/** The name of an operation, for messages. */
export const opName = (op: number): string => NAMES.get(op) ?? `op ${op}`;

/** Whether its data comes from the client: a WRITE's and a ZONE_APPEND's. */
export const takesData = (op: number): boolean => op === Op.WRITE || op === Op.ZONE_APPEND;
