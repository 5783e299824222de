import { leftAmong } from "../latency/owner.ts";
import { TRACEFS } from "../latency/tracefs.ts";
import type { Check, Finding, Machine } from "./machine.ts";

/** What `stats --latency` has set up in the kernel's tracing, and has not removed: it was killed hard. */
export const tracing: Check = ({ list, read }: Machine): Finding[] => {
  const lines = (read(`${TRACEFS}/dynamic_events`) ?? "").split("\n");
  const left = leftAmong([...list(`${TRACEFS}/instances`), ...lines], read);
  if (left.length === 0) return [];
  return [
    {
      check: "tracing",
      level: "warning",
      message: `the kernel still counts latencies for processes that are gone (${left.join(", ")} in ${TRACEFS}), which costs something for each request`,
      remedy: "uring-ublk stats --latency removes it when it starts",
    },
  ];
};
