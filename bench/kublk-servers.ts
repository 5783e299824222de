import { compareDiskServers, READS } from "./disk-servers.ts";
import type { Kublk } from "./floor/kublk.ts";
import type { BenchContext, Row } from "./harness.ts";
import { nullName, ourNullServer, type Served } from "./null-servers.ts";
import type { ServerProgram } from "./server.ts";

/** What its null disk always has. */
const SIZE = 250 * 2 ** 30;

const MODES: Record<Served["mode"], readonly string[]> = {
  copy: [],
  "user-copy": ["--user_copy"],
  "zero-copy": ["--zero_copy"],
  auto: ["--auto_zc"],
};

/** It says its device's number, and ends when another process of it deletes that. */
function kublkServer({ path }: Kublk, { mode, batch = false }: Served): ServerProgram {
  const options = ["--type", "null", "--queues", "1", "--depth", "128", ...MODES[mode], ...(batch ? ["--batch"] : [])];
  return {
    command: [path, "add", ...options, "--foreground"],
    announces: /(?<=^dev id )\d+(?=:)/m,
    served: ([id]) => `/dev/ublkb${id}`,
    stoppedBy: ([id]) => [path, "del", "-n", id],
  };
}

/** Null servers, ours and the one of the kernel's selftests: no rows where the run does without that. */
export async function compareWithKublk(context: BenchContext, benchmark: string, served: Served): Promise<Row[]> {
  const { kublk } = context;
  if (kublk === undefined) return [];
  return compareDiskServers(context, {
    benchmark,
    name: nullName(served),
    ours: ourNullServer(served, SIZE),
    floor: kublkServer(kublk, served),
    floorName: `kublk (Linux ${kublk.series}'s selftest server)`,
    shapes: READS,
  });
}
