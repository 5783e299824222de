import type { RuledDevice } from "./params-rules.ts";

/** Options of {@link UblkControl.open}. */
export interface ControlOptions {
  /** Time limit of every command in milliseconds; default 30000. */
  timeoutMs?: number;
  /** How commands are numbered: as ioctls (6.4 and newer), or the plain numbers before. Default `"ioctl"`. */
  encoding?: CommandEncoding;
}

/** How ublk's commands are numbered. */
export type CommandEncoding = "ioctl" | "legacy";

/** Options of a control command. */
export interface CommandOptions {
  /** Time limit in milliseconds, instead of the control's own. */
  timeoutMs?: number;
  /** Gives the command up; it rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Options of {@link UblkControl.setParams}. */
export interface SetParamsOptions extends CommandOptions {
  /** What is known of the device: it is asked for otherwise. */
  readonly info?: RuledDevice;
}

/** What {@link UblkControl.addDevice} is asked for. */
export interface AddDevice {
  /** The wanted id; left out, the driver chooses. */
  id?: number;
  /** Hardware queues; the driver clamps them to the CPUs. */
  queues: number;
  /** Tags per queue. */
  depth: number;
  /** The largest request. */
  maxIoBytes: number;
  /** `UBLK_F_*`. */
  flags: number;
  /**
   * Bytes of each descriptor (`UBLK_F_IO_DESC_SIZE`, Linux 7.3): a multiple of 8 from 24 to 256, of which the driver writes the first 24. With 64
   * no two of them share a cache line, which several threads on one queue may feel. {@link descriptorMap} says where they are. For programs that
   * read them by themselves: {@link serve} and {@link UblkQueue} read descriptors of 24 bytes. Older drivers drop the flag: look at the answer.
   */
  descriptorBytes?: number;
}
