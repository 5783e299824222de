/**
 * First words that make this program a process that another one of it has started. They are nobody else's business.
 *
 * @module
 */

/** A server in the background. Behind it come the log, the process that starts it, and the command that it was started with. */
export const DAEMON_WORD = "--in-background";

/** The child that sends STOP_DEV for `stop` and `del`. Behind it comes the device. */
export const STOP_WORD = "--stop-in-child";

/** In an executable: the child that sends what a server must not send itself (src/ublk/stopper.ts). */
export const OUTSIDE_WORD = "--outside";
