/** Something the reader of the message can act on: shown without a stack trace. */
export class VmError extends Error {
  override name = "VmError";
}

/** The machine ended before it ran the command. */
export class BootError extends VmError {
  override name = "BootError";
}
