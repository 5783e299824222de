// Restricts, or filters, its own thread and says what is left to a ring that it opens afterwards. It cannot be undone: hence a program.
import { nop, timeout } from "uring-ublk";
import { abi, BPF_CONTEXT, bpf, filterThread, RawRing, restrictThread } from "uring-ublk/uring";

if (process.argv[2] === "restrict") restrictThread({ operations: [nop()], allowedFlags: abi.IOSQE_ASYNC });
else filterThread({ operation: nop(), program: [bpf.load(BPF_CONTEXT.operation), bpf.allow()], denyRest: true });

const raw = new RawRing({ entries: 8 }, { registerRingFd: false });
const results: number[] = [];
for (const operation of [nop(), nop().async(), timeout({ ms: 0 })]) {
  const slot = raw.allocate((result) => results.push(result));
  operation.encode(raw, slot);
  raw.enter(1);
  raw.reap();
}
console.log(results.join(" "));
raw.close();
