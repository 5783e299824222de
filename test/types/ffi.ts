/** The typed system calls. */
import { Arena, addressOf, block, type RingSyscalls, ringSyscalls, Struct, SystemError, sys } from "uring-ublk/ffi";
import { expectType, type Same } from "./expect-type.ts";

const fd = sys.open("/dev/null", 0);
expectType<Same<typeof fd, number>>();
// @ts-expect-error flags are not optional
sys.open("/dev/null");
// @ts-expect-error a path, not a descriptor
sys.open(3, 0);
// @ts-expect-error memory, not text
sys.write(fd, "text");
// @ts-expect-error the table of calls does not change
sys.open = () => 3;
addressOf(new Uint8Array(8));
// @ts-expect-error what has no memory has no address
addressOf([1, 2, 3]);

// @ts-expect-error an arena comes from allocate or map
new Arena(0, 0);
using arena = Arena.allocate(4096, { noHugePages: true });
// @ts-expect-error misspelt
Arena.allocate(4096, { noHugepages: true });
expectType<Same<ReturnType<typeof arena.words>, Int32Array<ArrayBuffer>>>();

const struct = new Struct("sample", 8, { a: [0, 4], b: [4, 4] });
struct.build({ a: 1 });
// @ts-expect-error no such field
struct.build({ c: 1 });
// @ts-expect-error no such field
struct.get(struct.allocate(), "c");

block.size(fd);
expectType<Same<RingSyscalls["provider"], "liburing" | "libc">>();
// @ts-expect-error it has no more providers
ringSyscalls().provider === "musl";
const error = new SystemError({ syscall: "x", errno: -5 });
// @ts-expect-error an error does not change
error.code = "EIO";
