import { atLeast, type Check, type Finding, type Machine } from "./machine.ts";

/** What is known to be bad of kernels from one version on, and before another. */
interface Known {
  readonly from: string;
  readonly before: string;
  readonly level: "note" | "warning";
  readonly message: string;
  readonly remedy: string;
}

/** Seen in tests of this library, on these kernels; docs/edges.md and docs/recovery.md tell more. */
const KNOWN: readonly Known[] = [
  {
    from: "6.5",
    before: "6.16",
    level: "warning",
    message: "a server that is killed under full load (kill -9, out of memory) may leave a client waiting for ever (seen on 6.12)",
    remedy: "stop servers with kill or 'uring-ublk stop', or use Linux 6.16 or newer",
  },
  {
    from: "6.5",
    before: "7.0",
    level: "note",
    message: "a server that dies while it recovers a disk may leave that disk beyond recovery and deletion (seen on 6.12 and 6.18)",
    remedy: "Linux 7.2 or newer",
  },
  {
    from: "6.5",
    before: "6.16",
    level: "note",
    message: "disks cannot be resized or handed over",
    remedy: "Linux 6.16 or newer",
  },
  {
    from: "6.16",
    before: "7.2",
    level: "warning",
    message: "a disk that gets another size while it is being stopped may crash the kernel (seen on 6.18.15)",
    remedy: "resize no disk that is being stopped, or use Linux 7.2 or newer",
  },
];

/** The kernel's age, and what is known of it. */
export const kernel: Check = ({ release }: Machine): Finding[] => {
  if (!atLeast(release, "6.5"))
    return [
      {
        check: "kernel",
        level: "problem",
        message: `Linux ${release} is too old: its driver cannot be asked for its features`,
        remedy: "Linux 6.5 or newer; better 6.16 or newer, where data is not copied",
      },
    ];
  const bad = KNOWN.filter(({ from, before }) => atLeast(release, from) && !atLeast(release, before));
  const known = bad.map(
    ({ level, message, remedy }): Finding => ({ check: "kernel-known", level, message: `Linux ${release}: ${message}`, remedy }),
  );
  return [{ check: "kernel", level: "ok", message: `Linux ${release}` }, ...known];
};

/** The processor, and Bun. */
export const platform: Check = ({ arch, bun }: Machine): Finding[] => {
  const findings: Finding[] = [];
  if (arch !== "x64")
    findings.push({
      check: "platform",
      level: "problem",
      message: `this is ${arch}: only x86-64 is supported`,
      remedy: "an x86-64 machine",
    });
  if (!atLeast(bun, "1.4"))
    findings.push({ check: "platform", level: "problem", message: `Bun ${bun} is too old`, remedy: "Bun 1.4.0 or newer: bun upgrade" });
  return findings.length > 0 ? findings : [{ check: "platform", level: "ok", message: `x86-64, Bun ${bun}` }];
};
