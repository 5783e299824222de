import { VmError } from "./failure.ts";

/** The kernel series that carry ublk and can be asked for, and what each is interesting for. */
export const SERIES = ["6.12", "6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3"] as const;

export type Series = (typeof SERIES)[number];

export const DEFAULT_SERIES: Series = "7.2";

export function parseSeries(text: string): Series {
  const series = SERIES.find((one) => one === text);
  if (series === undefined)
    throw new VmError(`There is no kernel "${text}" to boot. Valid kernels: ${SERIES.join(", ")} (default ${DEFAULT_SERIES}).`);
  return series;
}
