/**
 * A tag's places in its life.
 *
 * @module
 */

/** Committed: the kernel may send its next request at any time. */
export const IN_KERNEL = 0;
export const IN_HANDLER = 1;
/** Deferred: a token ends it. */
export const OPEN = 2;
/** Serialized behind another. */
export const WAITING = 3;
/** The kernel took it back for good. */
export const DEAD = 4;
/** Its pages are being registered by hand. */
export const REGISTERING = 5;
/** FETCH_REQ is on its way; no request came yet. */
export const FETCHING = 6;
/** Operations of its own are in flight, or were. */
export const HELD = 7;
/** Completed within its handler's call, with its whole length; it is committed when that returns. */
export const ANSWERED = 8;
/** A WRITE whose data was asked for (NEED_GET_DATA). */
export const ARRIVING = 9;

/** Whether a request is left open in this state. */
export const isOpen = (state: number): boolean => state === OPEN || state === HELD || state === WAITING;
