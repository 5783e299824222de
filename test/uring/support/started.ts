import type { Prepared } from "uring-ublk";

/** Starts a prepared plan; resolves to it when it has called back. */
export const started = <P extends Prepared<unknown, unknown>>(prepared: P): Promise<P> => new Promise((resolve) => prepared.start(resolve));
