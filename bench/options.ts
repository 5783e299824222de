export interface BenchOptions {
  readonly names: readonly string[];
  readonly quick: boolean;
  readonly json: string | undefined;
  /** Counted time in the VM: figures that repeat to about 1 %, and ratios only. */
  readonly icount: boolean;
  /** The VM's kernel, when one was asked for. */
  readonly kernel: string | undefined;
  readonly milliseconds: number | undefined;
  /** We are the half inside the VM. */
  readonly inside: boolean;
}

export const USAGE = `usage: npm run bench -- [names] [options]
  --quick       3 short runs instead of 5
  --json FILE   write the rows to FILE as well
  --icount      in the VM, counting instructions instead of time: slower, but repeatable
  --kernel K    in the VM, on this kernel (default 7.2 for what runs there in any case)
  --ms N        milliseconds per run`;

/** Throws an Error with one line for the user. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const values = new Map<string, string>();
  const flags = new Set<string>();
  const names: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (["--quick", "--icount", "--inside"].includes(arg)) flags.add(arg);
    else if (["--json", "--kernel", "--ms"].includes(arg)) {
      const value = args[++i];
      if (value === undefined) throw new Error(`${arg} needs a value`);
      values.set(arg, value);
    } else if (arg.startsWith("-")) throw new Error(`unknown option ${arg}`);
    else names.push(arg);
  }
  const ms = values.get("--ms");
  if (ms !== undefined && !(Number(ms) > 0)) throw new Error(`--ms ${ms}: must be a positive number`);
  return {
    names,
    quick: flags.has("--quick"),
    json: values.get("--json"),
    icount: flags.has("--icount"),
    kernel: values.get("--kernel"),
    milliseconds: ms === undefined ? undefined : Number(ms),
    inside: flags.has("--inside"),
  };
}
