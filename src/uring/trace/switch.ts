/** Whether rings that are opened now shall be traced: `URING_UBLK_TRACE=1`. */
export function tracing(value = process.env.URING_UBLK_TRACE): boolean {
  if (value === undefined || value === "" || value === "0") return false;
  if (value === "1") return true;
  throw new RangeError(`URING_UBLK_TRACE is '${value}'; it must be '1' or '0'`);
}
